"""How the events of Celery are listened to on each broker. Used by one thread, that of `gateway/events/subscriber.py`.

On Redis events are PUB/SUB: what nobody hears is lost, but for what our plugin also puts into a stream
(`gateway/events/stream.py`). On RabbitMQ a durable queue of ours is bound beside those of Flower and others, and keeps
what it got until it is acknowledged; a restart of the broker drops what stock workers sent, and only that.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import amqp
import msgspec
from amqp import serialization
from amqp.exceptions import NotFound
from kombu import Connection, Exchange, Queue

from domain.broker_options import BrokerOptions
from domain.priority import Transport
from gateway.connection import SOCKET_SECONDS, blocking_redis_client, connect, transport_of

EVENT_EXCHANGE = "celeryev"
DURABLE_QUEUE = "celeriac.events"
WITNESS_QUEUE = "celeriac.events.witness"
"""The queue with one message that a restart of RabbitMQ drops, like the events that nobody had fetched."""
QUEUE_LENGTH = 1_000_000
"""How many events RabbitMQ keeps for a mirror that is away; then it drops the oldest."""
MOST_AT_ONCE = 500
MOST_BYTES_AT_ONCE = 8 * 1024 * 1024
BROUGHT_TOGETHER = 32
"""How many items that wait are brought by one receipt at least, where the source brings more than one."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Bytes of a message; a larger one is not read. Celery puts up to 24 events into one, each with a traceback of a few
kB.
"""
NOT_UNDERSTOOD = b""
"""What takes the place of a message that cannot be one of Celery's, so that it is counted, and acknowledged."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One message of Celery's events."""

    body: bytes
    heard_at: datetime
    """The time when it reached us or, where it waited for us, whoever kept it; by our clock."""
    streamed: bool = False
    """Whether such messages wait for us while we are away."""
    tag: int | bytes | None = None
    """What its source acknowledges it by."""
    session: int = 0
    """Which connection a tag of RabbitMQ belongs to; on any other it means nothing."""


@dataclass(frozen=True, slots=True)
class Blind:
    """A time in which events may have been missed. The first one runs from `start` to the first connection."""

    started_at: datetime
    ended_at: datetime
    streamed: bool = False
    """Whether it concerns the nodes whose messages wait for us, or all the others."""


EventItem = EventMessage | Blind


class EventSource(Protocol):
    """A connection to the events of one broker. Every method may raise one of BROKER_ERRORS."""

    streamed: bool
    """Whether what it brings waits for us while we are away."""
    brings_all_below: int
    """A receipt of fewer items than this has left none behind; 0 where one does not tell."""

    def connect(self) -> bool:
        """Open the connection and subscribe; events are heard from here on. Returns whether any may have
        been missed."""

    def receive(self, timeout: float) -> Sequence[EventItem] | None:
        """Return what has come; empty for a mere sign of life, None where there was not even that for `timeout`
        seconds.
        """

    def probe(self) -> None:
        """Ask for a sign of life."""

    def acknowledge(self, item: EventItem) -> None:
        """Acknowledge this item and all before it: they are stored."""

    def close(self) -> None:
        """Drop the connection, whatever its state."""


def open_source(broker_url: str, options: BrokerOptions | None = None) -> EventSource:
    """Return the source for this broker, not yet connected."""
    on_redis = transport_of(broker_url) is Transport.REDIS
    return RedisEvents(broker_url, options) if on_redis else RabbitEvents(broker_url)


MAX_ENVELOPE_BYTES = MAX_MESSAGE_BYTES * 4 // 3 + 65_536
"""Base64 takes a third more, and the headers have some hundred bytes."""


class _Properties(msgspec.Struct):
    body_encoding: str | None = None


class _Headers(msgspec.Struct):
    celeriac_kept: bool = False


class _Envelope(msgspec.Struct):
    """kombu's message on Redis."""

    body: str
    properties: _Properties
    headers: _Headers = msgspec.field(default_factory=_Headers)


class RedisEvents:
    """A subscription to the channels `/<db>.celeryev/<routing key>`, or as the app has it, without kombu.

    kombu's consumer reconnects to half-open pub/sub connections by itself, which would hide what was missed meanwhile.
    """

    streamed = False
    brings_all_below = BROUGHT_TOGETHER

    def __init__(self, broker_url: str, options: BrokerOptions | None = None) -> None:
        self._client = blocking_redis_client(broker_url)
        database = self._client.get_connection_kwargs().get("db", 0)
        channel = (options or BrokerOptions()).fanout_channel(EVENT_EXCHANGE, database)
        self._pattern = re.sub(r"([*?\[\]\\])", r"\\\1", channel) + "*"
        self._decode = msgspec.json.Decoder(_Envelope).decode

    def connect(self) -> bool:
        """Subscribe; what was published before is missed."""
        self._subscription = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._subscription.psubscribe(self._pattern)
        confirmation = self._subscription.get_message(timeout=SOCKET_SECONDS)
        if confirmation is None or confirmation["type"] != "psubscribe":
            raise TimeoutError("the subscription was not confirmed")
        return True

    def receive(self, timeout: float) -> Sequence[EventItem] | None:
        """Return the events of the messages that have come, as `EventSource` says."""
        message = self._next(timeout)
        if message is None:
            return None
        heard_at = datetime.now(UTC)
        bodies = self._unpack(message)
        count, size = 1, sum(map(len, bodies))
        while count < MOST_AT_ONCE and size < MOST_BYTES_AT_ONCE:
            message = self._next(0)
            if message is None:
                break
            more = self._unpack(message)
            bodies += more
            count, size = count + 1, size + sum(map(len, more))
        return [EventMessage(body, heard_at) for body in bodies]

    def probe(self) -> None:
        """Ping the server on the subscription."""
        self._subscription.ping()

    def acknowledge(self, item: EventItem) -> None:
        """Do nothing: Redis keeps nothing that is published."""

    def close(self) -> None:
        """Close the subscription and its client."""
        self._client.close()

    def _next(self, timeout: float) -> Mapping[str, Any] | None:
        """The next message, None if not even the beginning of one comes in time.

        What has begun to come is waited for: `get_message` gives the connection up over the rest of a large message, or
        over one that a burst has cut in two, and all that is published meanwhile would be missed.
        """
        if not self._subscription.connection.can_read(timeout=timeout):
            return None
        return cast(Mapping[str, Any] | None, self._subscription.get_message(timeout=SOCKET_SECONDS))

    def _unpack(self, message: Mapping[str, Any]) -> list[bytes]:
        """The body inside kombu's envelope; none of what the stream has as well.

        An answer to `probe` has no envelope, nor has what others publish there.
        """
        if message["type"] != "pmessage":
            return []
        data = message["data"]
        if len(data) > MAX_ENVELOPE_BYTES:
            return [NOT_UNDERSTOOD]
        try:
            envelope = self._decode(data)
            if envelope.headers.celeriac_kept:
                return []
            encoded = envelope.properties.body_encoding == "base64"
            return [base64.b64decode(envelope.body, validate=True) if encoded else envelope.body.encode()]
        except Exception:  # whatever is wrong with one message, the next one is heard; it is counted, not logged here
            return [NOT_UNDERSTOOD]


class RabbitEvents:
    """A durable queue bound to every event. Its messages are acknowledged after the commit."""

    streamed = False  # a restart of the broker drops what it holds, so every node may have been missed
    brings_all_below = 0

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._connection: Connection | None = None
        self._session = 0
        self._received: list[EventItem] = []
        _read_any_headers()

    def connect(self) -> bool:
        """Declare and consume the queue; returns whether events may have been dropped since a mirror last stored."""
        self._session += 1
        self._received = []
        self._connection = connect(self._broker_url, heartbeat_seconds=10)
        self._channel = self._channel_with_exchange(self._connection)
        # A message may name any encoding for its body, and kombu would open any compression: events have neither.
        self._channel.auto_decode = False
        self._channel.basic_qos(0, 10 * MOST_AT_ONCE, False)
        queue = _durable_queue().bind(self._channel)
        queue.queue_declare()
        queue.queue_bind()
        has_dropped = self._length() >= QUEUE_LENGTH
        has_witness = self._has_witness()
        self._channel.basic_consume(DURABLE_QUEUE, no_ack=False, callback=self._on_message)
        return has_dropped or not has_witness

    def receive(self, timeout: float) -> Sequence[EventItem] | None:
        """Return what the broker has delivered, as `EventSource` says."""
        assert self._connection is not None
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            # AMQP has heartbeats of its own: a silent broker that passes this check is alive.
            self._connection.heartbeat_check()
        received, self._received = self._received, []
        return received

    def probe(self) -> None:
        """Do nothing: `receive` has checked the heartbeat."""

    def acknowledge(self, item: EventItem) -> None:
        """Acknowledge the message and all before it, if they came on this connection."""
        if isinstance(item, Blind):
            # Only now that it is stored: a mirror that dies in between leaves the next one to find it out again.
            self._channel.basic_publish(amqp.Message(b"", delivery_mode=1), routing_key=WITNESS_QUEUE)
        elif item.session == self._session:
            self._channel.basic_ack(item.tag, multiple=True)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.collect()
            self._connection = None

    def _channel_with_exchange(self, connection: Connection) -> Any:
        """The exchange is the workers': it is declared only where no worker has. Even to repeat that takes a right."""
        channel: Any = connection.channel()
        try:
            channel.exchange_declare(EVENT_EXCHANGE, "topic", passive=True)
        except NotFound:  # which closes the channel
            channel = connection.channel()
            _durable_queue().exchange.bind(channel).declare()
        return channel

    def _length(self) -> int:
        return int(self._channel.queue_declare(DURABLE_QUEUE, passive=True).message_count)

    def _has_witness(self) -> bool:
        """Whether the broker still has all that it was given since a mirror last stored that something was missed."""
        declared = self._channel.queue_declare(WITNESS_QUEUE, durable=True, auto_delete=False, arguments=_ONE_MESSAGE)
        return bool(declared.message_count)

    def _on_message(self, message: Any) -> None:
        body = message.body if isinstance(message.body, bytes) else NOT_UNDERSTOOD
        if len(body) > MAX_MESSAGE_BYTES:
            body = NOT_UNDERSTOOD
        tag, session = message.delivery_tag, self._session
        self._received.append(EventMessage(body, datetime.now(UTC), tag=tag, session=session))


_ONE_MESSAGE = {"x-max-length": 1}
_BASIC = 60
"""AMQP's class of everything that is about messages."""
_readers = cast(dict[int, Any], serialization.PROPERTY_CLASSES)
_read_headers = _readers[_BASIC]


def _read_any_headers() -> None:
    """Let py-amqp take headers that it cannot read for none, from now on.

    It would give up the connection over them (a timestamp beyond the calendar is enough), and the next one would begin
    with the same message, for ever.
    """
    _readers[_BASIC] = _headers_or_none


def _headers_or_none(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    try:
        return cast(tuple[dict[str, Any], int], _read_headers(buffer, offset))
    except Exception:  # the body alone decides what becomes of the message
        return {}, len(buffer)


def _durable_queue() -> Queue:
    return Queue(
        DURABLE_QUEUE,
        # As Celery declares it; a difference would be refused.
        exchange=Exchange(EVENT_EXCHANGE, type="topic", durable=True),
        routing_key="#",
        durable=True,
        queue_arguments={"x-max-length": QUEUE_LENGTH, "x-overflow": "drop-head"},
    )
