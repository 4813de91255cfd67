"""Events are heard on each broker, whatever else is said there; a silence that may have hidden some is told."""

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import serialization
from amqp.exceptions import AccessRefused, NotFound

from domain.broker_options import BrokerOptions
from gateway.events import sources
from gateway.events.sources import (
    DURABLE_QUEUE,
    EVENT_EXCHANGE,
    MAX_ENVELOPE_BYTES,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    NOT_UNDERSTOOD,
    QUEUE_LENGTH,
    WITNESS_QUEUE,
    Blind,
    EventMessage,
    RabbitEvents,
    RedisEvents,
    open_source,
)
from tests.fakes.scripted_redis import BlockingScriptedRedis

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def envelope(body: str = "{}", *, encoding: str | None = None, **headers: object) -> bytes:
    """A message as kombu writes it."""
    return json.dumps({"body": body, "properties": {"body_encoding": encoding}, "headers": headers}).encode()


def published(data: bytes) -> dict[str, Any]:
    return {"type": "pmessage", "data": data}


class Subscription:
    """Of redis-py's, as far as events need it: what comes, one after another."""

    def __init__(self) -> None:
        self.messages: list[Any] = [{"type": "psubscribe", "data": 1}]
        self.patterns: list[str] = []
        self.waits: list[float] = []
        self.pings = 0
        self.connection = self

    def psubscribe(self, pattern: str) -> None:
        self.patterns.append(pattern)

    def can_read(self, *, timeout: float) -> bool:
        self.waits.append(timeout)
        return bool(self.messages)

    def get_message(self, *, timeout: float) -> Any:
        return self.messages.pop(0) if self.messages else None

    def ping(self) -> None:
        self.pings += 1


class Events(RedisEvents):
    """What is heard on a subscription that a test fills."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, options: BrokerOptions | None = None, db: int = 0) -> None:
        self.subscription = Subscription()
        self.server = BlockingScriptedRedis(pubsub=self.subscription)
        self.server.connection_pool.connection_kwargs = {"db": db}
        monkeypatch.setattr(sources, "blocking_redis_client", lambda _url: self.server)
        super().__init__("redis://h/0", options)

    def hear(self, *data: bytes) -> Any:
        """Let these be published, and receive."""
        self.subscription.messages = [published(each) for each in data]
        return self.receive(0.2)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    events = Events(monkeypatch)
    assert events.connect() is True, "what was published before is missed"
    return events


def bodies(items: Any) -> list[bytes]:
    return [item.body for item in items]


@pytest.mark.parametrize(
    ("options", "db", "pattern"),
    [
        (None, 0, "/0.celeryev*"),
        (None, 5, "/5.celeryev*"),
        (BrokerOptions(global_keyprefix="shop:", fanout_prefix=""), 0, "shop:celeryev*"),
        (BrokerOptions(global_keyprefix="a*[b]?\\"), 0, "a\\*\\[b\\]\\?\\\\/0.celeryev*"),
    ],
)
def test_just_the_channels_of_the_app_are_listened_to(
    options: BrokerOptions | None, db: int, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Events(monkeypatch, options=options, db=db)
    events.connect()
    assert events.subscription.patterns == [pattern]


@pytest.mark.parametrize("answer", [[], [{"type": "pong", "data": b""}]])
def test_a_subscription_that_is_not_confirmed_is_none(answer: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events(monkeypatch)
    events.subscription.messages = answer
    with pytest.raises(TimeoutError, match="the subscription was not confirmed"):
        events.connect()


def test_events_are_taken_out_of_their_envelopes(events: Events) -> None:
    text = '{"type": "task-started"}'
    coded = base64.b64encode(text.encode()).decode()
    assert bodies(events.hear(envelope(text), envelope(coded, encoding="base64"))) == [text.encode()] * 2


def test_what_the_stream_has_as_well_is_passed_over_and_is_a_sign_of_life(events: Events) -> None:
    assert events.hear(envelope("{}", celeriac_kept=True)) == []
    assert bodies(events.hear(envelope("a", celeriac_kept=True), envelope("b"))) == [b"b"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"body": "{}"}',
        b'{"body": {}, "properties": {}}',
        envelope("no base64!", encoding="base64"),
        envelope("\ud800"),
        envelope(celeriac_kept="yes"),
        b"x" * (MAX_ENVELOPE_BYTES + 1),
    ],
)
def test_what_is_no_event_is_counted_and_hides_no_other(data: bytes, events: Events) -> None:
    assert bodies(events.hear(data, envelope("after"))) == [NOT_UNDERSTOOD, b"after"]


def test_an_envelope_may_be_as_large_as_that_of_the_largest_message(events: Events) -> None:
    largest = base64.b64encode(b"x" * MAX_MESSAGE_BYTES).decode()
    assert [len(body) for body in bodies(events.hear(envelope(largest, encoding="base64")))] == [MAX_MESSAGE_BYTES]


def test_nothing_at_all_is_no_sign_of_life_and_an_answer_to_a_probe_is(events: Events) -> None:
    assert events.receive(0.2) is None
    events.probe()
    assert events.subscription.pings == 1
    events.subscription.messages = [{"type": "pong", "data": b""}]
    assert events.receive(0.2) == []


def test_only_the_first_message_is_waited_for(events: Events) -> None:
    events.subscription.waits.clear()
    events.hear(envelope(), envelope())
    assert events.subscription.waits == [0.2, 0, 0]


def test_no_more_come_at_once_than_so_many(events: Events) -> None:
    assert len(events.hear(*[envelope()] * (MOST_AT_ONCE + 1))) == MOST_AT_ONCE
    assert len(events.subscription.messages) == 1


def test_no_more_bytes_come_at_once_than_so_many(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_BYTES_AT_ONCE", 10)
    assert bodies(events.hear(*[envelope("x" * 5)] * 3)) == [b"x" * 5] * 2


def test_redis_keeps_nothing_that_could_be_acknowledged(events: Events) -> None:
    commands = list(events.server.commands)
    events.acknowledge(EventMessage(b"{}", NOW))
    events.acknowledge(Blind(NOW, NOW))
    assert events.server.commands == commands
    events.close()
    assert events.server.closed == 1


class RabbitChannel:
    """A channel; `raises` by exchange what declaring it passively raises."""

    def __init__(self, broker: "Rabbit") -> None:
        self._broker = broker
        self.auto_decode = True
        self.connection = SimpleNamespace(client=SimpleNamespace(declared_entities=set()), transport=None)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self._broker.calls.append((name, args, options))
            if name == "exchange_declare" and options.get("passive") and self._broker.exchange_error:
                raise self._broker.exchange_error
            if name == "queue_declare":
                queue = args[0] if args else options["queue"]
                return SimpleNamespace(message_count=self._broker.lengths.get(queue, 0), queue=queue)
            return None

        return call


class Rabbit:
    """Stands in for a connection to RabbitMQ, on which a test lets messages come."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.exchange_error: Exception | None = None
        self.lengths = {DURABLE_QUEUE: 3, WITNESS_QUEUE: 1}
        self.channels: list[RabbitChannel] = []
        self.coming: list[Any] = []
        self.checked = 0
        self.collected = 0

    def channel(self) -> RabbitChannel:
        self.channels.append(RabbitChannel(self))
        return self.channels[-1]

    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]

    def given(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, options) for called, args, options in self.calls if called == name]

    def drain_events(self, *, timeout: float) -> None:
        if not self.coming:
            raise TimeoutError
        ((_, options),) = self.given("basic_consume")[-1:]
        options["callback"](self.coming.pop(0))

    def heartbeat_check(self) -> None:
        self.checked += 1

    def collect(self) -> None:
        self.collected += 1


@pytest.fixture
def rabbit(monkeypatch: pytest.MonkeyPatch) -> Rabbit:
    rabbit = Rabbit()
    monkeypatch.setattr(sources, "connect", lambda _url, *, heartbeat_seconds: rabbit)
    monkeypatch.setattr(sources, "_durable_queue", lambda: DurableQueue())
    return rabbit


class DurableQueue:
    """Of kombu's queue, what is asked of it; its exchange is itself."""

    def __init__(self) -> None:
        self.exchange = self
        self._channel: Any = None

    def bind(self, channel: Any) -> "DurableQueue":
        self._channel = channel
        return self

    def queue_declare(self) -> None:
        self._channel.queue_declare(DURABLE_QUEUE)

    def queue_bind(self) -> None:
        self._channel.queue_bind(DURABLE_QUEUE)

    def declare(self) -> None:
        self._channel.exchange_declare(EVENT_EXCHANGE, passive=False)


def delivered(body: Any, tag: int = 1) -> Any:
    return SimpleNamespace(body=body, delivery_tag=tag)


@pytest.mark.parametrize(
    ("length", "witnesses", "missed"),
    [(0, 1, False), (QUEUE_LENGTH - 1, 1, False), (QUEUE_LENGTH, 1, True), (0, 0, True)],
)
def test_something_was_missed_where_the_queue_is_full_or_the_broker_began_anew(
    length: int, witnesses: int, missed: bool, rabbit: Rabbit
) -> None:
    rabbit.lengths = {DURABLE_QUEUE: length, WITNESS_QUEUE: witnesses}
    assert RabbitEvents("amqp://h//").connect() is missed


def test_the_queue_is_consumed_only_when_it_is_known_whether_anything_was_missed(rabbit: Rabbit) -> None:
    RabbitEvents("amqp://h//").connect()
    assert rabbit.names()[-1] == "basic_consume"
    ((args, options),) = rabbit.given("basic_consume")
    assert (args, options["no_ack"]) == ((DURABLE_QUEUE,), False)
    assert rabbit.channels[-1].auto_decode is False


def test_the_exchange_is_declared_only_where_no_worker_has(rabbit: Rabbit) -> None:
    RabbitEvents("amqp://h//").connect()
    assert [options["passive"] for _, options in rabbit.given("exchange_declare")] == [True]
    rabbit.calls.clear()
    rabbit.exchange_error = NotFound("no exchange")
    RabbitEvents("amqp://h//").connect()
    assert [options["passive"] for _, options in rabbit.given("exchange_declare")] == [True, False]
    assert len(rabbit.channels) == 3, "the refusal closed the first one"


def test_who_may_not_see_the_exchange_is_told_so(rabbit: Rabbit) -> None:
    rabbit.exchange_error = AccessRefused("no right")
    with pytest.raises(AccessRefused):
        RabbitEvents("amqp://h//").connect()


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (b"{}", b"{}"),
        (b"x" * MAX_MESSAGE_BYTES, b"x" * MAX_MESSAGE_BYTES),
        (b"x" * (MAX_MESSAGE_BYTES + 1), NOT_UNDERSTOOD),
        ("text", NOT_UNDERSTOOD),
        (None, NOT_UNDERSTOOD),
    ],
)
def test_what_cannot_be_one_of_celerys_takes_its_place_and_is_acknowledged_like_any_other(
    body: Any, heard: bytes, rabbit: Rabbit
) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    rabbit.coming = [delivered(body, tag=7)]
    (item,) = source.receive(0.2) or ()
    assert isinstance(item, EventMessage)
    assert (item.body, item.tag, item.streamed) == (heard, 7, False)
    source.acknowledge(item)
    assert rabbit.given("basic_ack") == [((7,), {"multiple": True})]


def test_a_silence_is_a_sign_of_life_while_the_heartbeat_is(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    assert source.receive(0.2) == []
    assert rabbit.checked == 1
    rabbit.coming = [delivered(b"one")]
    assert len(source.receive(0.2) or ()) == 1
    assert source.receive(0.2) == [], "and what was given is not given again"


def test_a_message_of_a_connection_that_broke_is_not_acknowledged_on_the_next(rabbit: Rabbit) -> None:
    """Its tag is that of another message there."""
    source = RabbitEvents("amqp://h//")
    source.connect()
    rabbit.coming = [delivered(b"one"), delivered(b"two", tag=2)]
    (first,) = source.receive(0.2) or ()
    source.close()
    source.connect()
    source.acknowledge(first)
    assert rabbit.given("basic_ack") == []
    (second,) = source.receive(0.2) or ()
    source.acknowledge(second)
    assert rabbit.given("basic_ack") == [((2,), {"multiple": True})]


def test_the_witness_is_set_only_when_it_is_stored_that_something_was_missed(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    assert rabbit.given("basic_publish") == []
    source.acknowledge(Blind(NOW, NOW))
    ((args, options),) = rabbit.given("basic_publish")
    assert options == {"routing_key": WITNESS_QUEUE}
    assert args[0].properties["delivery_mode"] == 1, "so that a restart drops it, as it drops events"


def test_a_source_of_rabbitmq_is_closed_once_and_also_before_it_was_open(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.close()
    source.connect()
    source.probe()
    source.close()
    source.close()
    assert rabbit.collected == 1


def test_headers_that_nobody_can_read_are_taken_for_none(rabbit: Rabbit) -> None:
    """py-amqp would give up the connection over them, and the next one would begin with the same message."""
    RabbitEvents("amqp://h//")
    read: Any = serialization.PROPERTY_CLASSES[60]
    assert read is sources._headers_or_none
    assert read(b"\x20\x00\xff\xff\xff\xff", 0) == ({}, 6)


def test_each_broker_has_its_source(rabbit: Rabbit) -> None:
    assert isinstance(open_source("amqp://h//"), RabbitEvents)
    assert isinstance(open_source("redis://h/0"), RedisEvents)
    with pytest.raises(ValueError, match="is not supported"):
        open_source("sqs://")
