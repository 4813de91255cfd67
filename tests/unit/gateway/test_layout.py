"""Where messages may lie and where they may be put, by what settings and workers say."""

import asyncio

import pytest

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from domain.consumers import Consumer, Consumers
from gateway.layout import BINDINGS, MOST_LEDGERS, MOST_SEPARATORS, Layout, Ledger
from tests.patience import PATIENCE_SECONDS

STOCK = BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS)
COLON = BrokerOptions(":", (0, 5, 12), unacked_key="mine", unacked_index_key="mine_index")


def told(*options: BrokerOptions | None, online: bool = True, is_late: bool = False) -> Consumers:
    return Consumers(
        [
            Consumer(str(number), online, frozenset({"q"}) if each else None, options=each, is_late=is_late)
            for number, each in enumerate(options)
        ]
    )


def test_all_lists_of_all_separators_are_read_and_the_prefix_stands_before_each() -> None:
    layout = Layout(BrokerOptions(global_keyprefix="shop:"))
    assert layout.lists_of("q") == ["shop:q", *(f"shop:q\x06\x16{step}" for step in range(1, 10))]
    layout.learn(told(STOCK, COLON))
    lists = layout.lists_of("q")
    assert len(lists) == 1 + 2 * 10
    assert {"shop:q:5", "shop:q:12", "shop:q\x06\x169"} < set(lists)
    assert layout.ledgers == [Ledger("shop:mine", "shop:mine_index"), Ledger("shop:unacked", "shop:unacked_index")]


def test_a_message_goes_only_where_a_consumer_is_known_to_look() -> None:
    layout = Layout()
    assert layout.list_for("q", 5) is None
    layout.learn(told(COLON))
    assert [layout.list_for("q", priority) for priority in (0, 4, 5, 9)] == ["q", "q", "q:5", "q:5"]
    assert layout.list_for("other", 5) is None
    layout.learn(told(COLON, STOCK))
    assert layout.list_for("q", 9) == "q", "the only one that both read"


def test_the_setting_stands_in_for_workers_that_say_nothing() -> None:
    layout = Layout(BrokerOptions(":", (0, 3)))
    assert layout.list_for("q", 5) == "q:3"
    layout.learn(told(STOCK))
    assert layout.list_for("q", 9) == "q\x06\x169"


def test_what_nobody_has_told_of_leaves_it_open_where_messages_lie() -> None:
    assert Layout().is_whole
    layout = Layout(is_told=False)
    assert not layout.is_whole
    layout.learn(told(STOCK, None))
    assert layout.is_whole, "whose messages may lie elsewhere is asked for each message"
    layout.learn(told(*(BrokerOptions(unacked_key=f"mine{n}") for n in range(MOST_LEDGERS))))
    assert not layout.is_whole, "with that of the default it is one too many"
    assert len(layout.ledgers) == MOST_LEDGERS


def test_bindings_are_read_whatever_separates_their_parts() -> None:
    layout = Layout()
    members = [b"celery\x06\x16\x06\x16first", b"celery:::", b"celery::second", b"other\x06\x16\x06\x16third", b"\xff"]
    assert layout.queues_of(members, "celery") == ["first"]
    layout.learn(told(COLON))
    assert layout.queues_of(members, "celery") == ["first", "second"]


async def test_a_worker_that_has_just_come_is_waited_for_and_one_that_never_answers_is_not() -> None:
    layout = Layout()
    layout.learn(told(None, is_late=True))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await layout.await_newcomers(["q"], seconds=3_600)
    layout.learn(told(None))
    waiting = asyncio.create_task(layout.await_newcomers(["q"], seconds=3_600))
    await asyncio.sleep(0)
    assert not waiting.done()
    layout.learn(told(STOCK))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting


async def test_a_worker_that_never_says_what_it_reads_is_waited_for_only_so_long() -> None:
    layout = Layout()
    layout.learn(told(None))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await layout.await_newcomers(["other", "q"], seconds=0.001)
        await layout.await_newcomers([], seconds=3_600)


async def test_nobody_waits_for_a_worker_that_is_gone() -> None:
    layout = Layout()
    layout.learn(told(None, online=False))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await layout.await_newcomers(["q"], seconds=3_600)


def test_only_so_many_separators_are_looked_for_and_ours_are_among_them() -> None:
    layout = Layout(BrokerOptions("mine"))
    layout.learn(told(*(BrokerOptions(f"s{number}") for number in range(MOST_SEPARATORS))))
    lists = layout.lists_of("q")
    assert len(lists) == 1 + MOST_SEPARATORS * 9
    assert {"qmine9", "q\x06\x169"} < set(lists)
    assert not layout.is_whole


@pytest.mark.parametrize(("priority", "name"), [(0, "q"), (2, "q"), (3, "q:3"), (9, "q:6"), (255, "q:6")])
def test_a_priority_between_two_steps_lies_in_the_lower_one(priority: int, name: str) -> None:
    assert Layout(BrokerOptions(":", (0, 3, 6))).list_for("q", priority) == name


def test_a_list_to_write_to_has_no_prefix_which_kombu_adds_and_a_key_has_it() -> None:
    layout = Layout(BrokerOptions(":", (0, 3), global_keyprefix="shop:"))
    assert layout.list_for("q", 5) == "q:3"
    assert layout.key(BINDINGS + "celery") == "shop:_kombu.binding.celery"
