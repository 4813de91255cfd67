"""What Celeriac orders and asks of a worker, and what the worker answers; also one that has no Redis."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import commands
from celeriac_worker.commands import (
    NO_REDIS,
    celeriac_active,
    celeriac_drain_status,
    celeriac_find,
    celeriac_pause,
    celeriac_resume,
)
from celeriac_worker.node import Node
from celery.worker import state

from tests.fakes.gates import ToldGate, node_with


class Requested:
    """A request as a worker's state has it."""

    def __init__(self, task_id: str, *, admitted: bool = False, acks_late: bool = True) -> None:
        self.id = task_id
        self.admitted = admitted
        self.was_put_back = False
        self.task = SimpleNamespace(acks_late=acks_late)
        self.worker_pid, self.time_start = 7, 1.5


class Place:
    """A worker that is given orders, and keeps in which order they were followed."""

    def __init__(self) -> None:
        self.gate = ToldGate()
        self.node: Node = node_with(self.gate)
        self.followed: list[str] = []
        fetching = SimpleNamespace(apply_state=self._apply_state)
        controller = SimpleNamespace(celeriac=self.node, celeriac_fetching=fetching)
        self.state = SimpleNamespace(
            consumer=SimpleNamespace(controller=controller, timer=object()), tset=lambda requests: list(requests)
        )

    def _apply_state(self) -> int:
        self.followed.append("stands still" if self.node.stands_still else "fetches")
        return 3


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What Celery has reserved, what is active, and what waits for its time."""
    known = SimpleNamespace(reserved=[], active=[], waiting={}, by_id={})
    monkeypatch.setattr(state, "reserved_requests", known.reserved)
    monkeypatch.setattr(state, "active_requests", known.active)
    monkeypatch.setattr(state, "requests", known.by_id)
    monkeypatch.setattr(commands, "waiting_turns", lambda _: known.waiting)
    return known


@pytest.mark.parametrize("order", [celeriac_pause, celeriac_resume, celeriac_drain_status])
@pytest.mark.parametrize("controller", [SimpleNamespace(), SimpleNamespace(celeriac=None)])
def test_a_worker_without_a_redis_says_what_to_set(order: Callable[[Any], object], controller: object) -> None:
    assert order(SimpleNamespace(consumer=SimpleNamespace(controller=controller))) == NO_REDIS
    assert "CELERIAC_REDIS_URL" in NO_REDIS["error"]


def test_a_pause_stands_still_before_it_gives_back_and_outlives_the_process(place: Place) -> None:
    assert celeriac_pause(place.state) == {"paused": True, "returned": 3}
    assert (place.followed, place.node.paused) == (["stands still"], True)
    assert place.gate.told("set_paused") == [(True,)]


def test_a_pause_holds_in_this_process_where_redis_is_away(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.gate.away = True
    assert celeriac_pause(place.state) == {"paused": True, "returned": 3}
    assert place.node.paused
    assert "the pause does not outlive this process" in caplog.text


def test_a_resume_fetches_again_once_redis_knows_of_it(place: Place) -> None:
    celeriac_pause(place.state)
    assert celeriac_resume(place.state) == {"paused": False}
    assert (place.followed, place.node.paused) == (["stands still", "fetches"], False)
    assert place.gate.told("set_paused") == [(True,), (False,)]


def test_a_worker_that_cannot_tell_redis_of_its_resume_stays_paused_and_says_so(place: Place) -> None:
    """Else the next sign of life would find the key, and pause it again."""
    celeriac_pause(place.state)
    place.gate.away = True
    assert celeriac_resume(place.state) == {"error": "Redis does not answer (ConnectionError): still paused"}
    assert (place.node.paused, place.followed) == (True, ["stands still"])


def test_a_drain_tells_what_runs_what_waits_and_what_was_given_back_is_not_counted(
    place: Place, known: SimpleNamespace
) -> None:
    running, admitted, waiting, returned = (
        Requested("r"),
        Requested("a", admitted=True),
        Requested("w"),
        Requested("x"),
    )
    returned.was_put_back = True
    known.reserved += [running, waiting, admitted, returned]
    known.active += [running]
    known.waiting[Requested("later")] = object()
    assert celeriac_drain_status(place.state) == {
        "paused": False,
        "active": ["a", "r"],
        "reserved": ["w"],
        "scheduled": ["later"],
        "acks_late": True,
    }


@pytest.mark.parametrize(("late", "all_late"), [([], True), ([True], True), ([True, False], False), ([False], False)])
def test_what_runs_would_run_elsewhere_only_if_all_of_it_is_acknowledged_late(
    place: Place, known: SimpleNamespace, late: list[bool], all_late: bool
) -> None:
    known.active += [Requested(f"t{number}", acks_late=each) for number, each in enumerate(late)]
    assert celeriac_drain_status(place.state)["acks_late"] is all_late


def test_what_runs_is_told_without_its_arguments(place: Place, known: SimpleNamespace) -> None:
    assert celeriac_active(place.state) == []
    known.active += [Requested("a")]
    assert celeriac_active(place.state) == [{"id": "a", "worker_pid": 7, "time_start": 1.5}]


def test_tasks_are_found_in_their_phase_and_unknown_ones_are_left_out(place: Place, known: SimpleNamespace) -> None:
    requests = {name: Requested(name) for name in ("active", "reserved", "ready", "scheduled", "only-timed")}
    known.active += [requests["active"]]
    known.reserved += [requests["active"], requests["reserved"]]
    known.waiting |= {requests["scheduled"]: object(), requests["only-timed"]: object()}
    known.by_id |= {name: request for name, request in requests.items() if name != "only-timed"}
    asked = ["only-timed", "scheduled", "ready", "nowhere", "reserved", "active"]
    assert celeriac_find(place.state, asked) == {
        "only-timed": "scheduled",
        "scheduled": "scheduled",
        "ready": "ready",
        "reserved": "reserved",
        "active": "active",
    }
    assert celeriac_find(place.state, []) == {}


def test_a_task_whose_time_has_come_is_not_scheduled_any_more(place: Place, known: SimpleNamespace) -> None:
    """Its entry may stay in the timer's heap while it already runs."""
    request = Requested("t")
    known.waiting[request] = object()
    known.by_id["t"] = request
    known.active.append(request)
    assert celeriac_find(place.state, ["t"]) == {"t": "active"}
