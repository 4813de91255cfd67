"""Requests that wait for their time, as timers of different pools have them."""

from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import countdown
from celeriac_worker.countdown import cancel_turn, give_turn, waiting_turns
from celery import Celery
from celery.contrib.testing.mocks import TaskMessage
from celery.worker.request import Request


@pytest.fixture
def request_of_a_task() -> Request:
    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(name="shop.pay", shared=False)
    def pay() -> None:
        """A task."""

    return Request(TaskMessage("shop.pay", id="t"), app=app)


def timer(*waiting: object) -> Any:
    return SimpleNamespace(schedule=SimpleNamespace(queue=list(waiting)))


def entry(*args: object, canceled: bool = False) -> Any:
    return SimpleNamespace(args=args, canceled=canceled)


def test_of_all_that_a_timer_holds_only_requests_that_will_come_are_waiting(request_of_a_task: Request) -> None:
    turn = SimpleNamespace(entry=entry(request_of_a_task))
    others = [
        SimpleNamespace(entry=entry()),
        SimpleNamespace(entry=SimpleNamespace(args=None, canceled=False)),
        SimpleNamespace(entry=entry("heartbeat")),
        SimpleNamespace(entry=entry(SimpleNamespace(id="t"))),
    ]
    assert waiting_turns(timer(*others, turn)) == {request_of_a_task: turn.entry}
    assert waiting_turns(timer()) == {}


def test_a_turn_that_was_cancelled_stays_in_the_heap_and_does_not_count(request_of_a_task: Request) -> None:
    assert waiting_turns(timer(SimpleNamespace(entry=entry(request_of_a_task, canceled=True)))) == {}


def test_what_gevent_cancels_is_its_greenlet_and_not_the_entry(request_of_a_task: Request) -> None:
    greenlet = SimpleNamespace(entry=entry(request_of_a_task), cancel=print)
    assert waiting_turns(timer(greenlet)) == {request_of_a_task: greenlet}


class Consumer:
    """Keeps what its timer was told, and how many more messages it may fetch."""

    def __init__(self) -> None:
        self.room = 0
        self.timed: list[tuple[Any, ...]] = []
        self.qos = SimpleNamespace(increment_eventually=self._widen, decrement_eventually=self._narrow)
        self.timer = SimpleNamespace(call_after=self._call_after, cancel=lambda turn: self.timed.append((turn,)))

    def apply_eta_task(self, request: object) -> None:
        """Never called here: the timer would."""

    def _call_after(self, seconds: float, call: object, args: tuple[object, ...]) -> str:
        self.timed.append((seconds, call, args))
        return "turn"

    def _widen(self) -> None:
        self.room += 1

    def _narrow(self) -> None:
        self.room -= 1


@pytest.mark.parametrize("celery_keeps_them", [True, False])
def test_a_request_that_waits_makes_room_for_another_until_it_comes_or_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, celery_keeps_them: bool
) -> None:
    kept: list[object] = []
    monkeypatch.setattr(countdown, "_task_scheduled", kept.append if celery_keeps_them else None)
    consumer, request = Consumer(), SimpleNamespace()
    give_turn(consumer, request, seconds=5.0)
    assert consumer.timed == [(5.0, consumer.apply_eta_task, (request,))]
    assert consumer.room == 1
    assert kept == ([request] if celery_keeps_them else [])
    assert getattr(request, "_eta_timer_entry", None) == ("turn" if celery_keeps_them else None)
    cancel_turn(consumer, "turn")
    assert (consumer.timed[-1], consumer.room) == (("turn",), 0)
