"""What a worker's memory and Redis say of the same starts, where the order of two threads or a lost answer matters."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celeriac_worker.gate import Admission, GateUnreachableError
from celeriac_worker.node import ACCEPT_SECONDS, Node

from tests.fakes.gates import RUN, Asking


@pytest.fixture
def changes() -> list[Node]:
    """The node, as often as it has said that it stands still, or does so no more."""
    return []


@pytest.fixture
def node(redis_url: str, changes: list[Node]) -> Iterator[Any]:
    made: Any = Node("celery@here", redis_url, gates_before_pool=True, on_change=lambda: changes.append(made))
    yield made
    made.gate.close()


@pytest.fixture
def state_of_run(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as store:
        yield lambda: (store.get(RUN) or "||free").rsplit("|", 1)[1]


def test_a_start_is_finished_when_its_request_is_not_active_any_more(node: Any, state_of_run: Any) -> None:
    request = Asking()
    assert node.admit(request) is Admission.GO
    node.write_down_ends()
    assert (state_of_run(), node.runs(RUN)) == ("started", True), "the pool has not taken it on yet"
    request.accepted = True
    node.write_down_ends()
    assert (state_of_run(), node.runs(RUN)) == ("finished", False)


def test_a_run_that_celery_cancels_for_the_broker_to_send_again_is_released(node: Any, state_of_run: Any) -> None:
    request = Asking()
    node.admit(request)
    request.accepted = request.was_cancelled = True
    node.write_down_ends()
    assert state_of_run() == "free"
    assert node.admit(Asking()) is Admission.GO


def test_a_start_that_the_pool_never_took_on_is_released_after_a_while(node: Any, state_of_run: Any) -> None:
    request = Asking()
    node.admit(request)
    request.asked_at -= ACCEPT_SECONDS + 1
    node.write_down_ends()
    assert (state_of_run(), node.runs(RUN)) == ("free", False)


def test_a_pause_that_comes_while_redis_is_asked_wins(
    node: Any, state_of_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = node.gate.may_start

    def pause_meanwhile(*arguments: Any, **options: Any) -> Admission:
        node.order(paused=True)
        return Admission(ask(*arguments, **options))

    monkeypatch.setattr(node.gate, "may_start", pause_meanwhile)
    assert node.admit(Asking()) is Admission.PAUSED
    node.write_down_ends()
    assert state_of_run() == "free", "Redis had said GO and written it down"


def test_an_admitted_request_is_not_taken_back_and_one_taken_back_is_not_admitted(node: Any) -> None:
    admitted, waiting = Asking(), Asking(id="u", run_key="celeriac:run:u:0:1")
    node.admit(admitted)
    assert node.take_back(admitted) is False
    assert [node.take_back(waiting), node.take_back(waiting)] == [True, False]
    assert node.admit(waiting) is Admission.PAUSED


def test_a_second_copy_in_the_same_worker_is_refused_even_before_redis_has_answered(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[Admission] = []
    ask = node.gate.may_start

    def ask_for_a_copy_meanwhile(*arguments: Any, **options: Any) -> Admission:
        copies.append(node.admit(Asking()))
        return Admission(ask(*arguments, **options))

    monkeypatch.setattr(node.gate, "may_start", ask_for_a_copy_meanwhile)
    assert node.admit(Asking()) is Admission.GO
    assert copies == [Admission.RUNNING]


def test_a_start_whose_answer_was_lost_is_released_when_redis_is_back(
    node: Any, changes: list[Node], state_of_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = node.gate.may_start

    def lose_the_answer(*arguments: Any, **options: Any) -> Admission:
        ask(*arguments, **options)
        raise GateUnreachableError("TimeoutError")

    monkeypatch.setattr(node.gate, "may_start", lose_the_answer)
    assert node.admit(Asking()) is Admission.PAUSED
    assert (node.stands_still, state_of_run()) == (True, "started")
    node.show_life()
    node.write_down_ends()
    assert (node.stands_still, changes, state_of_run()) == (False, [node], "free")


def test_an_order_stands_against_a_sign_of_life_that_was_asked_before_it(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_life = node.gate.show_life

    def order_meanwhile() -> bool:
        paused = bool(show_life())
        node.order(paused=True)
        return paused

    monkeypatch.setattr(node.gate, "show_life", order_meanwhile)
    node.show_life()
    assert node.paused is True
