"""When events are published (at once after a rest, together under load), and which are kept for Celeriac."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celeriac_worker.stream import (
    KEY,
    MAX_WAITING,
    PAUSE_SECONDS,
    PORTION,
    SPACING_SECONDS,
    STREAM_LENGTH,
    STREAMED_HEADER,
    EventStream,
    Spaced,
    StreamedEvents,
    flush_events,
    space_events,
    stream_events,
)
from celery import Celery
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


class Pipe:
    """Takes messages together, or fails as the server does."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._bodies: list[object] = []

    def __enter__(self) -> "Pipe":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def xadd(self, key: str, fields: dict[str, object], **options: object) -> None:
        assert key == KEY
        self._server.options = options
        self._bodies.append(fields["body"])

    def execute(self) -> list[object]:
        self._server.tries += 1
        if self._server.errors:
            raise self._server.errors.pop()
        self._server.portions.append(self._bodies)
        return [b"1-0" if self._server.is_read else None for _ in self._bodies]


class Server:
    """A Redis whose stream some Celeriac has made, or nobody."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.portions: list[list[object]] = []
        self.options: dict[str, object] = {}
        self.is_read = True
        self.tries = 0

    def pipeline(self, *, transaction: bool) -> Pipe:
        assert not transaction
        return Pipe(self)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def stream(server: Server) -> EventStream:
    stream = EventStream(Celery("shop", broker="memory://", set_as_current=False))
    vars(stream)["_client"] = server
    return stream


def test_a_message_is_kept_in_a_bounded_stream_that_only_a_celeriac_makes(stream: EventStream, server: Server) -> None:
    assert stream.add(b"1") is True
    assert server.portions == [[b"1"]]
    assert server.options == {"maxlen": STREAM_LENGTH, "approximate": True, "nomkstream": True}
    server.is_read = False
    assert stream.add(b"2") is False


def test_what_redis_did_not_take_goes_first_once_it_answers_and_it_is_not_asked_meanwhile(
    stream: EventStream, server: Server, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    server.errors = [redis.ConnectionError("Error 111 connecting to redis://:s3cret@h")]
    assert [stream.add(b"1"), stream.add(b"2")] == [False, False]
    assert server.tries == 1, "each try may hold up the worker for a second"
    loop.now += PAUSE_SECONDS
    assert stream.add(b"3") is True
    assert server.portions == [[b"1", b"2", b"3"]]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "Events wait for Redis (ConnectionError); until then they can be missed."


def test_of_what_waits_too_long_the_oldest_is_given_up(stream: EventStream, server: Server, loop: Loop) -> None:
    server.errors = [OSError()]
    for number in range(MAX_WAITING + 1):
        stream.add(str(number))
    loop.now += PAUSE_SECONDS
    stream.add("last")
    sent = [body for portion in server.portions for body in portion]
    assert (len(sent), sent[0], sent[-1]) == (MAX_WAITING, "2", "last")
    assert {len(portion) for portion in server.portions} == {PORTION}


def test_a_portion_that_fails_is_sent_again_and_those_before_it_are_not(
    stream: EventStream, server: Server, loop: Loop
) -> None:
    server.errors = [OSError()]
    for number in range(PORTION):
        stream.add(str(number))
    loop.now += PAUSE_SECONDS
    taken = server.portions

    def fail_after_the_first() -> None:
        if len(taken) == 1:
            server.errors = [OSError()]

    monkeyed = Pipe.execute

    def execute(pipe: Pipe) -> list[object]:
        fail_after_the_first()
        return monkeyed(pipe)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pipe, "execute", execute)
        assert stream.add("last") is False
    loop.now += PAUSE_SECONDS
    assert stream.add("more") is True
    assert [len(portion) for portion in taken] == [PORTION, 2]
    assert taken[1] == ["last", "more"]


def test_where_the_broker_is_no_redis_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERIAC_REDIS_URL", raising=False)
    stream = EventStream(Celery("shop", broker="amqp://h//", set_as_current=False))
    assert stream.add(b"1") is False
    assert not stream._waiting


@pytest.mark.parametrize(("is_read", "headers"), [(True, {STREAMED_HEADER: True}), (False, {})])
def test_only_what_is_in_the_stream_says_so_to_those_who_hear_it(
    stream: EventStream, server: Server, is_read: bool, headers: dict[str, object]
) -> None:
    kept = stream

    class Dispatcher(StreamedEvents, Published):
        stream = kept

    server.is_read = is_read
    dispatcher = Dispatcher()
    dispatcher._publish({"type": "task-sent"}, "producer")
    assert dispatcher.published == [({"type": "task-sent"}, {"hostname": "celery@one"} | headers)]
    assert [len(portion) for portion in server.portions] == [1]


def test_without_a_connection_an_event_waits_in_celery_and_is_kept_when_it_is_published(
    stream: EventStream, server: Server
) -> None:
    kept = stream

    class Dispatcher(StreamedEvents, Published):
        stream = kept

    dispatcher = Dispatcher()
    dispatcher._publish({"type": "task-sent"}, None)
    assert (server.tries, dispatcher.published) == (0, [({"type": "task-sent"}, {})])


def test_on_rabbitmq_events_survive_a_restart_of_the_broker_and_go_to_no_stream(
    stream: EventStream, server: Server
) -> None:
    kept = stream

    class Topic(Published):
        exchange = SimpleNamespace(type="topic")
        delivery_mode = 1

    class Dispatcher(StreamedEvents, Topic):
        stream = kept

    dispatcher = Dispatcher()
    dispatcher._publish({"type": "task-sent"}, "producer")
    assert (dispatcher.delivery_mode, server.tries) == (2, 0)


def test_an_app_that_was_told_twice_keeps_its_events_once() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    stream_events(app)
    events: Any = app.events
    first = events.dispatcher_cls
    stream_events(app)
    assert events.dispatcher_cls is first
    assert issubclass(first, StreamedEvents)


def test_a_worker_without_a_loop_or_without_events_publishes_as_celery_does() -> None:
    dispatcher = SimpleNamespace(on_send_buffered="Celery's")
    space_events(SimpleNamespace(hub=None, event_dispatcher=dispatcher))
    space_events(SimpleNamespace(hub=object(), event_dispatcher=None))
    flush_events(SimpleNamespace(event_dispatcher=None))
    assert dispatcher.on_send_buffered == "Celery's"


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
