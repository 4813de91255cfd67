from dataclasses import replace
from datetime import timedelta

import pytest

from domain.broker_options import STOCK_PRIORITY_STEPS, TEN_PRIORITY_STEPS, BrokerOptions
from domain.consumers import CANCEL_GATE, Consumer, Consumers
from tests.facts import NOON

TEN = BrokerOptions(priority_steps=TEN_PRIORITY_STEPS)
FOUR = BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS)
OURS = Consumer("ours", True, frozenset({"q"}), "prefork", "1.0", capabilities=frozenset({CANCEL_GATE}), options=TEN)
STOCK = Consumer("stock", True, frozenset({"q"}), "threads", options=FOUR)
ELSEWHERE = Consumer("elsewhere", True, frozenset({"other"}), options=TEN)
UNKNOWN = Consumer("unknown", True, None)
SILENT = Consumer("silent", True, frozenset({"q"}), is_late=True)


def with_steps(*steps: int, online: bool = True, separator: str = "\x06\x16") -> Consumer:
    return Consumer(f"{steps}", online, frozenset({"q"}), options=BrokerOptions(separator, steps))


def steps_of(*nodes: Consumer) -> list[int]:
    return list(Consumers(nodes).lists_of("q"))


def test_a_promise_holds_where_every_consumer_keeps_it() -> None:
    assert Consumers([OURS, ELSEWHERE]).all_can("q", CANCEL_GATE)


def test_one_consumer_that_does_not_keep_it_breaks_it() -> None:
    assert not Consumers([OURS, STOCK]).all_can("q", CANCEL_GATE)


def test_a_node_that_has_not_said_what_it_is_may_take_from_every_queue() -> None:
    assert Consumers([OURS, UNKNOWN]).of("anything") == [UNKNOWN]


def test_a_queue_is_read_while_somebody_is_online_who_may_take_from_it() -> None:
    assert Consumers([ELSEWHERE, OURS]).are_online("q")
    assert Consumers([UNKNOWN]).are_online("anything")
    assert not Consumers([ELSEWHERE, replace(OURS, online=False)]).are_online("q")


def test_a_queue_without_a_known_consumer_promises_nothing() -> None:
    assert not Consumers().all_can("q", CANCEL_GATE)
    assert Consumers([ELSEWHERE]).lists_of("q") == Consumers([SILENT]).lists_of("q") == {}


def test_the_lists_of_a_queue_are_those_that_all_its_consumers_read() -> None:
    assert Consumers([OURS]).lists_of("q") == TEN.lists_of("q")
    assert steps_of(OURS, STOCK, ELSEWHERE) == list(STOCK_PRIORITY_STEPS)
    assert steps_of(OURS, STOCK, with_steps(0)) == [0]
    assert steps_of(OURS, with_steps(*range(1, 11))) == list(range(1, 10))


def test_lists_of_another_separator_are_other_lists() -> None:
    colon = with_steps(0, 3, separator=":")
    assert Consumers([colon]).lists_of("q") == {0: "q", 3: "q:3"}
    assert Consumers([STOCK, colon]).lists_of("q") == {0: "q"}


def test_while_one_has_not_said_what_it_reads_the_bare_list_is_enough() -> None:
    assert steps_of(OURS, UNKNOWN) == steps_of(STOCK, SILENT) == [0]
    assert steps_of(with_steps(1, 2), UNKNOWN) == [1, 2], "that of the bare name is surely not read by the one"


def test_without_a_list_for_all_those_that_are_there_count() -> None:
    assert steps_of(with_steps(5), with_steps(0, online=False)) == [5]
    assert steps_of(with_steps(0, online=False), with_steps(5), with_steps(6)) == [5]
    assert Consumers([with_steps(5), with_steps(6)]).have_no_list_in_common("q")
    assert not Consumers([with_steps(5), with_steps(6, online=False)]).have_no_list_in_common("q")


def test_one_that_has_just_come_is_not_yet_silent() -> None:
    assert not Consumers([UNKNOWN, STOCK]).say_nothing_of_lists("q")
    assert Consumers([replace(UNKNOWN, is_late=True)]).say_nothing_of_lists("anything")
    assert Consumers([SILENT]).say_nothing_of_lists("q")
    assert not Consumers([SILENT]).say_nothing_of_lists("other")


def test_one_that_has_not_said_how_it_uses_the_broker_leaves_open_where_messages_are_of_its_time() -> None:
    assert Consumers([OURS, STOCK]).hider_since(NOON) is None
    assert Consumers([OURS, SILENT]).hider_since(NOON) is SILENT
    for heard_at, hides in ((None, True), (NOON, True), (NOON - timedelta(seconds=1), False)):
        gone = replace(SILENT, online=False, heard_at=heard_at)
        assert (Consumers([OURS, gone]).hider_since(NOON) is gone) is hides
        assert Consumers([replace(gone, online=True)]).hider_since(NOON), "it is there now, whenever it was heard"


def test_the_pool_of_a_node_is_found_by_its_name() -> None:
    consumers = Consumers([OURS, STOCK])
    assert [consumers.pool_of(name) for name in ("stock", "nobody", None)] == ["threads", None, None]


def test_workers_that_read_no_list_in_common_are_named_with_the_option_that_keeps_them_apart() -> None:
    five, six = with_steps(5), with_steps(6)
    (difference,) = Consumers([five, six, ELSEWHERE]).differences.values()
    assert (difference.option, difference.workers) == ("priority_steps", 2)
    assert difference.meaning.startswith("Workers of q read no priority list in common")


@pytest.mark.parametrize("nodes", [[], [OURS, STOCK], [with_steps(5), with_steps(6, online=False)], [UNKNOWN, SILENT]])
def test_workers_that_share_a_list_or_are_away_or_have_said_nothing_do_not_differ(nodes: list[Consumer]) -> None:
    assert Consumers(nodes).differences == {}
