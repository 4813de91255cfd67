"""What a request does about the answer of the gate, in front of a pool and inside of one."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker.gate import Admission
from celeriac_worker.node import Node
from celeriac_worker.requests import GatedRequest, NotStartedError, gate_task
from celery import Celery
from celery.contrib.testing.mocks import TaskMessage
from celery.worker import state

from tests.fakes.gates import ToldGate, node_with


def pay() -> None:
    """A task."""


class Fetching:
    """Keeps what became of each request."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def refuse(self, _request: object) -> None:
        self.done.append("refuse")

    def hold(self, _request: object) -> None:
        self.done.append("hold")

    def drop(self, _request: object) -> None:
        self.done.append("drop")


class Place:
    """A worker with a gate, and a task to ask for."""

    def __init__(self, *, gates_before_pool: bool, acks_late: bool = False) -> None:
        self.gate = ToldGate()
        self.node: Node = node_with(self.gate, gates_before_pool=gates_before_pool)
        self.fetching = Fetching()
        self.acknowledged: list[str] = []
        app = Celery("shop", broker="memory://", set_as_current=False)
        self.task: Any = app.task(name="shop.pay", shared=False, acks_late=acks_late)(pay)
        self._app = app
        self.gate_task()

    def gate_task(self) -> None:
        gate_task(self.task, SimpleNamespace(celeriac=self.node, celeriac_fetching=self.fetching))

    def reserved(self, **headers: Any) -> Any:
        """A request that has arrived, and waits for the pool."""
        request = self.request(**headers)
        state.reserved_requests.add(request)
        return request

    def request(self, **headers: Any) -> Any:
        return self.task.Request(
            TaskMessage("shop.pay", id="t", **{"celeriac_dispatch_no": 1} | headers),
            app=self._app,
            task=self.task,
            hostname="celery@one",
            on_ack=lambda *_: self.acknowledged.append("acknowledged"),
            on_reject=lambda *_: self.acknowledged.append(f"rejected, back to the queue: {_[-1]}"),
        )


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    state.reset_state()


@pytest.fixture
def before() -> Place:
    """Prefork: the gate stands before the pool."""
    return Place(gates_before_pool=True)


@pytest.fixture
def inside() -> Place:
    """Threads: the gate stands in the thread that is about to run the task."""
    return Place(gates_before_pool=False)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, "celeriac:run:t:0:1"),
        ({"retries": 2, "celeriac_dispatch_no": 7}, "celeriac:run:t:2:7"),
        ({"retries": None, "celeriac_dispatch_no": 0}, "celeriac:run:t:0:0"),
        ({"celeriac_dispatch_no": None}, None),
    ],
)
def test_a_delivery_is_told_from_others_by_what_celeriac_wrote_into_it(
    before: Place, headers: dict[str, Any], key: str | None
) -> None:
    assert before.request(**headers).run_key == key


def test_gating_a_task_twice_asks_once(before: Place) -> None:
    before.gate_task()
    assert [kind for kind in before.task.Request.__mro__ if issubclass(kind, GatedRequest)].count(GatedRequest) == 1
    assert len([kind for kind in before.task.Request.__mro__ if "ungated" in vars(kind)]) == 1
    assert before.reserved().revoked() is False
    assert len(before.gate.asked) == 1


def test_a_message_that_arrives_is_not_asked_about_and_one_that_is_about_to_start_is(before: Place) -> None:
    request = before.request()
    assert request.revoked() is False
    assert before.gate.asked == [], "Celery asks at its arrival as well"
    state.reserved_requests.add(request)
    assert request.revoked() is False
    assert request.admitted


def test_inside_a_pool_the_gate_is_asked_by_the_thread_that_runs_the_task(inside: Place) -> None:
    request = inside.reserved()
    assert request.revoked() is False
    assert inside.gate.asked == []
    request.on_accepted(1, 0.0)
    assert (request.admitted, request.accepted) == (True, True)


@pytest.mark.parametrize(
    ("admission", "acks_late", "done"),
    [
        (Admission.PAUSED, False, ["refuse"]),
        (Admission.FINISHED, False, ["drop"]),
        (Admission.FINISHED, True, ["drop"]),
        (Admission.RUNNING, False, ["drop"]),
        (Admission.RUNNING, True, ["hold"]),
        (Admission.SILENT, False, ["hold"]),
        (Admission.SILENT, True, ["hold"]),
    ],
)
@pytest.mark.parametrize("gates_before_pool", [True, False])
def test_what_may_not_start_is_given_back_dropped_or_held(
    admission: Admission, acks_late: bool, done: list[str], gates_before_pool: bool
) -> None:
    """A delivery that was acknowledged early is gone when its worker dies: only a late one is worth waiting for."""
    place = Place(gates_before_pool=gates_before_pool, acks_late=acks_late)
    place.gate.admission = admission
    request = place.reserved()
    if gates_before_pool:
        assert request.revoked() is True
    else:
        with pytest.raises(NotStartedError):
            request.on_accepted(1, 0.0)
    assert (place.fetching.done, place.acknowledged) == (done, [])
    assert (request.admitted, request.accepted) == (False, False)
    assert request.found_silence is (admission is Admission.SILENT)


def test_of_a_silent_worker_the_next_question_says_that_it_was_silent(before: Place) -> None:
    before.gate.admission = Admission.SILENT
    request = before.reserved()
    request.revoked()
    request.revoked()
    assert [silence_is_death for *_, silence_is_death in before.gate.told("may_start")] == [False, True]


def test_what_was_cancelled_is_announced_as_revoked_and_acknowledged(before: Place) -> None:
    before.gate.admission = Admission.CANCELLED
    request = before.reserved()
    told: list[str] = []
    request.send_event = lambda kind, **_: told.append(kind)
    assert request.revoked() is True
    assert (told, before.acknowledged, before.fetching.done) == (["task-revoked"], ["acknowledged"], [])


def test_what_celery_itself_has_revoked_is_not_asked_about(before: Place) -> None:
    state.revoked.add("t")
    assert before.reserved().revoked() is True
    assert before.gate.asked == []


@pytest.mark.parametrize("place_name", ["before", "inside"])
def test_whoever_still_holds_what_went_back_drops_it(place_name: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(place_name)
    waiting = place.reserved()
    waiting.was_put_back = True
    assert waiting.revoked() is True
    if place_name == "inside":
        with pytest.raises(NotStartedError):
            waiting.on_accepted(1, 0.0)
    assert (place.gate.asked, place.fetching.done) == ([], [])


def test_a_start_that_goes_back_to_the_queue_is_released_first_and_one_that_is_thrown_away_is_not(
    before: Place,
) -> None:
    thrown, returned = before.reserved(celeriac_dispatch_no=1), before.reserved(celeriac_dispatch_no=2)
    for request in (thrown, returned):
        request.revoked()
    thrown.reject(requeue=False)
    assert before.gate.told("release") == []
    returned.reject(requeue=True)
    assert before.gate.told("release") == [("celeriac:run:t:0:2",)]
    assert before.acknowledged == ["rejected, back to the queue: False", "rejected, back to the queue: True"]


def test_a_start_that_was_acknowledged_cannot_go_back(before: Place) -> None:
    request = before.reserved()
    request.revoked()
    request.acknowledge()
    request.reject(requeue=True)
    assert (before.gate.told("release"), before.acknowledged) == ([], ["acknowledged"])


@pytest.mark.parametrize(
    ("ceiling", "retries", "again"), [(None, 9, True), (0, 0, False), (2, 1, True), (2, 2, False), (2, 3, False)]
)
def test_a_run_whose_worker_was_lost_is_retried_up_to_the_limit_of_the_submission(
    before: Place, monkeypatch: pytest.MonkeyPatch, ceiling: int | None, retries: int, again: bool
) -> None:
    sent: list[int] = []

    def signature(_request: object, *, countdown: float, retries: int) -> Any:
        return SimpleNamespace(apply_async=lambda: sent.append(retries))

    monkeypatch.setattr(before.task, "signature_from_request", signature)
    request = before.request(celeriac_max_retries=ceiling, retries=retries)
    assert request._retry_worker_lost(RuntimeError(), SimpleNamespace(traceback=None)) is again
    assert sent == ([retries + 1] if again else [])
