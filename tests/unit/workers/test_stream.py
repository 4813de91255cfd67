"""When events that wait are published: at once after a rest, together under load."""

import os
import time
from types import SimpleNamespace

import pytest
from celeriac_worker.stream import SPACING_SECONDS, Spaced, StreamedEvents, space_events
from kombu.asynchronous.hub import Hub


class Loop:
    """A clock, and what is due on it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.calls: list[float] = []
        self._due: list[float] = []

    def call(self) -> None:
        self.calls.append(self.now)

    def call_later(self, seconds: float) -> None:
        self._due.append(self.now + seconds)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0] <= end:
            self.now = self._due.pop(0)
            self.call()
        self.now = end


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(time, "monotonic", lambda: loop.now)
    return loop


def test_after_a_rest_it_calls_at_once(loop: Loop) -> None:
    spaced = Spaced(loop.call, loop.call_later)
    for _ in range(3):
        spaced()
        loop.pass_time(SPACING_SECONDS)
    assert loop.calls == pytest.approx([1_000 + number * SPACING_SECONDS for number in range(3)])


def test_whatever_comes_in_between_is_one_call_at_the_end_of_the_spacing(loop: Loop) -> None:
    spaced = Spaced(loop.call, loop.call_later)
    for _ in range(100):
        spaced()
        loop.pass_time(SPACING_SECONDS / 10)
    loop.pass_time(1)
    assert len(loop.calls) == 11
    gaps = [later - earlier for earlier, later in zip(loop.calls, loop.calls[1:], strict=False)]
    assert gaps == pytest.approx([SPACING_SECONDS] * 10)


def test_a_call_that_the_loop_forgot_is_made_up_for_by_the_next_event(loop: Loop) -> None:
    spaced = Spaced(loop.call, loop.call_later)
    spaced()
    spaced()
    loop._due.clear()
    loop.now += 2 * SPACING_SECONDS
    spaced()
    assert len(loop.calls) == 2


@pytest.mark.timeout(30)
def test_the_loop_does_not_sleep_over_the_last_events(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, published, sleeps = Hub(), list[int](), list[float]()
    poll = hub.poller.poll

    def watched_poll(seconds: float) -> object:
        sleeps.append(seconds)
        return poll(seconds)

    monkeypatch.setattr(hub.poller, "poll", watched_poll)
    hub.call_later(60, lambda: None)
    dispatcher = SimpleNamespace(flush=lambda: published.append(len(sleeps)), on_send_buffered=None)
    consumer = SimpleNamespace(
        hub=hub, event_dispatcher=dispatcher, on_send_event_buffered=lambda: hub.call_soon(dispatcher.flush)
    )
    space_events(consumer)
    read, write = os.pipe()

    def hear() -> None:
        os.read(read, 1)
        for _ in range(2):
            dispatcher.on_send_buffered()

    hub.add_reader(read, hear)
    os.write(write, b"1")
    try:
        loop = hub.create_loop()
        while len(published) < 2:
            next(loop)
    finally:
        hub.close()
        os.close(read)
        os.close(write)
    first, last = published
    assert max(sleeps[first:last]) <= SPACING_SECONDS


class Published:
    """Celery's own dispatcher, as far as it is asked here."""

    exchange = SimpleNamespace(type="fanout")
    hostname, serializer = "celery@one", "json"

    def __init__(self) -> None:
        self.published: list[tuple[object, dict[str, object]]] = []
        self.headers: dict[str, object] = {}

    def _publish(self, event: object, producer: object) -> None:
        self.published.append((event, self.headers))


class Failing:
    def add(self, body: object) -> bool:
        raise RecursionError


@pytest.mark.parametrize("event", [{"type": "task-sent"}, {"type": "task-odd", "value": object()}])
def test_an_event_that_cannot_be_kept_is_published_all_the_same(event: dict[str, object]) -> None:
    class Dispatcher(StreamedEvents, Published):
        stream = Failing()  # type: ignore[assignment]

    dispatcher = Dispatcher()
    dispatcher._publish(event, "producer")
    assert dispatcher.published == [(event, {"hostname": "celery@one"})]
