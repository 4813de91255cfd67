"""What a worker takes from its queues while it stands still and while not, and how it gives back what it has."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import fetching
from celeriac_worker.fetching import Fetching
from celeriac_worker.gate import GateUnreachableError
from celery.bootsteps import CLOSE, RUN  # type: ignore[attr-defined]
from celery.worker import state


class Fetched:
    """Stands in for kombu's consumer of the queues."""

    def __init__(self, on_message: object) -> None:
        self.on_message = on_message
        self.channel = SimpleNamespace()
        self.added: list[str] = []
        self.has_consumed = False

    def consuming_from(self, _queue: str) -> bool:
        return False

    def add_queue(self, queue: str) -> None:
        self.added.append(queue)

    def consume(self) -> None:
        self.has_consumed = True


def apply_state(on_message: object) -> Fetched:
    """What a worker that does not stand still does with a queue that it does not consume yet."""
    node: Any = SimpleNamespace(stands_still=False)
    fetched = Fetched(on_message)
    amqp = SimpleNamespace(queues=SimpleNamespace(consume_from={"q": "q"}))
    consumer = SimpleNamespace(
        controller=SimpleNamespace(celeriac=node),
        task_consumer=fetched,
        blueprint=SimpleNamespace(state=RUN),
        app=SimpleNamespace(amqp=amqp),
    )
    Fetching(consumer).apply_state()
    return fetched


def test_nothing_is_fetched_before_there_is_somewhere_to_put_it() -> None:
    """RabbitMQ delivers at once, and the worker would end: Celery's loop consumes once it has set its handler."""
    fetched = apply_state(on_message=None)
    assert (fetched.added, fetched.has_consumed) == (["q"], False)


def test_afterwards_a_queue_is_consumed_at_once() -> None:
    fetched = apply_state(on_message=print)
    assert (fetched.added, fetched.has_consumed) == (["q"], True)


class Stub:
    """A request that waits, and keeps what became of it."""

    def __init__(self, task_id: str = "t", *, can_be_taken: bool = True) -> None:
        self.id = task_id
        self.name = "shop.pay"
        self.run_key = f"celeriac:run:{task_id}:0:1"
        self.can_be_taken = can_be_taken
        self.done: list[str] = []

    def reject(self, *, requeue: bool) -> None:
        self.done.append(f"rejected, requeue={requeue}")

    def acknowledge(self) -> None:
        self.done.append("acknowledged")

    def send_event(self, kind: str, **fields: object) -> None:
        self.done.append(f"{kind} {fields}")


class Place:
    """A worker's consumer, with a node that may take back and may stand still."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.soon: list[Callable[[], object]] = []
        self.gate = SimpleNamespace(is_paused=lambda: False)
        self.orders: list[bool] = []
        self.running: set[str] = set()
        self.node: Any = SimpleNamespace(
            stands_still=False,
            blind=False,
            gate=self.gate,
            order=lambda *, paused: self.orders.append(paused),
            take_back=lambda request: request.can_be_taken,
            runs=self.running.__contains__,
        )
        self.buckets: dict[str, Any] = {}
        fetched = SimpleNamespace(
            queues=["a", "b"], cancel_by_queue=lambda queue: self.steps.append(f"no more of {queue}")
        )
        self.consumer: Any = SimpleNamespace(
            controller=SimpleNamespace(celeriac=self.node),
            task_consumer=fetched,
            blueprint=SimpleNamespace(state=RUN),
            timer=object(),
            task_buckets=self.buckets,
            hub=None,
            event_dispatcher=SimpleNamespace(flush=lambda: self.steps.append("events published")),
            call_soon=self.soon.append,
        )
        self.step = Fetching(self.consumer)


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch, place: Place) -> SimpleNamespace:
    """What Celery holds for this worker: reserved, forgotten, and on the timer, where each has a turn."""
    held = SimpleNamespace(reserved=[], forgotten=[], turns={}, cancelled=[], given=[])
    monkeypatch.setattr(state, "reserved_requests", held.reserved)
    monkeypatch.setattr(state, "active_requests", [])
    monkeypatch.setattr(state, "requests", {})
    monkeypatch.setattr(state, "task_ready", held.forgotten.append)
    monkeypatch.setattr(fetching, "waiting_turns", lambda _: held.turns)
    monkeypatch.setattr(fetching, "cancel_turn", lambda _, turn: held.cancelled.append(turn))
    monkeypatch.setattr(fetching, "give_turn", lambda _, request, *, seconds: held.given.append((request, seconds)))
    return held


def test_a_worker_that_stands_still_takes_nothing_more_and_gives_back_what_it_has(
    place: Place, waiting: SimpleNamespace
) -> None:
    reserved, limited, timed, started = Stub("r"), Stub("l"), Stub("c"), Stub("s", can_be_taken=False)
    waiting.reserved += [reserved, started]
    place.buckets |= {"limited": SimpleNamespace(contents=[(limited, 1)]), "unlimited": None}
    waiting.turns[timed] = "turn"
    place.node.stands_still = True
    assert place.step.apply_state() == 3
    assert place.steps == ["no more of a", "no more of b"]
    assert [request.done for request in (reserved, limited, timed)] == [["rejected, requeue=True"]] * 3
    assert started.done == [], "it runs"
    assert waiting.cancelled == ["turn"]
    assert waiting.forgotten == [reserved, limited, timed]


def test_a_worker_that_has_nothing_gives_nothing_back(place: Place, waiting: SimpleNamespace) -> None:
    place.node.stands_still = True
    assert place.step.apply_state() == 0
    assert place.steps == ["no more of a", "no more of b"]


@pytest.mark.parametrize(
    "without", [{"task_consumer": None}, {"blueprint": SimpleNamespace(state=CLOSE)}], ids=["no consumer", "closing"]
)
def test_without_a_connection_nothing_is_fetched_or_given_back(
    place: Place, waiting: SimpleNamespace, without: dict[str, Any]
) -> None:
    """What a lost connection had fetched, the broker gives out again by itself."""
    vars(place.consumer).update(without)
    waiting.reserved.append(Stub())
    place.node.stands_still = True
    assert place.step.apply_state() == 0
    assert (waiting.reserved[0].done, place.steps) == ([], [])


@pytest.mark.parametrize("paused", [True, False])
def test_a_new_connection_begins_as_redis_says(place: Place, waiting: SimpleNamespace, paused: bool) -> None:
    place.gate.is_paused = lambda: paused
    place.node.stands_still = True
    place.step.start(place.consumer)
    assert (place.orders, place.node.blind) == ([paused], False)
    assert place.steps == ["no more of a", "no more of b"]


def test_a_new_connection_fetches_nothing_while_redis_is_away(
    place: Place, waiting: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> bool:
        raise GateUnreachableError("TimeoutError")

    place.gate.is_paused = fail
    place.node.stands_still = True
    place.step.start(place.consumer)
    assert (place.orders, place.node.blind) == ([], True)
    assert "Redis does not answer (TimeoutError): no task is fetched until it does." in caplog.text


def test_events_that_wait_are_published_before_a_connection_ends(place: Place) -> None:
    place.step.stop(place.consumer)
    assert place.steps == ["events published"]


def test_what_came_too_late_goes_back_at_once_and_the_fetching_ends_a_moment_later(
    place: Place, waiting: SimpleNamespace
) -> None:
    request = Stub()
    place.step.refuse(request)
    assert (request.done, place.steps) == (["rejected, requeue=True"], [])
    place.node.stands_still = True
    (apply,) = place.soon
    apply()
    assert place.steps == ["no more of a", "no more of b"]


def test_what_waits_for_a_run_elsewhere_asks_again_in_five_seconds_and_stays_unacknowledged(
    place: Place, waiting: SimpleNamespace
) -> None:
    request = Stub()
    place.step.hold(request)
    assert (waiting.given, waiting.forgotten, request.done) == ([(request, 5.0)], [request], [])


def test_a_dropped_delivery_is_acknowledged_and_told_as_rejected(place: Place, waiting: SimpleNamespace) -> None:
    request = Stub()
    place.step.drop(request)
    assert request.done == ["acknowledged", "task-rejected {'requeue': False}"]
    assert waiting.forgotten == [request]


def test_of_a_dropped_delivery_nothing_is_told_while_the_first_one_runs_here(
    place: Place, waiting: SimpleNamespace
) -> None:
    request = Stub()
    place.running.add(request.run_key)
    place.step.drop(request)
    assert request.done == ["acknowledged"]


def test_a_task_that_runs_stays_known_by_its_id_when_another_delivery_of_it_is_forgotten(
    place: Place, waiting: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, other, second = Stub("t"), Stub("u"), Stub("t")
    monkeypatch.setattr(state, "active_requests", [other, running])
    place.step.hold(second)
    assert state.requests == {"t": running}


@pytest.mark.parametrize("controller", [SimpleNamespace(), SimpleNamespace(celeriac=None)])
def test_without_a_redis_the_worker_is_a_stock_one(controller: Any) -> None:
    consumer = SimpleNamespace(controller=controller)
    assert Fetching(consumer).include_if(consumer) is False
    assert not hasattr(controller, "celeriac_fetching")


def test_orders_reach_the_step_of_the_present_connection(place: Place) -> None:
    assert place.step.include_if(place.consumer) is True
    assert place.consumer.controller.celeriac_fetching is place.step
    again = Fetching(place.consumer)
    assert place.consumer.controller.celeriac_fetching is again


def test_a_channel_that_comes_later_hears_broadcasts_where_kombu_would_not_subscribe_it() -> None:
    subscribed: list[str] = []
    redis_channel = SimpleNamespace(active_fanout_queues={"pidbox"}, _subscribe=lambda: subscribed.append("redis"))
    for channel in (redis_channel, SimpleNamespace(active_fanout_queues=set()), SimpleNamespace()):
        fetching._hear_broadcasts(channel)
    assert subscribed == ["redis"]
