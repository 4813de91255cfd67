"""What a source of Celery's events is, and that of Redis. Used by one thread, that of `gateway/events/subscriber.py`.

On Redis events are PUB/SUB: what nobody hears is lost, but for what our plugin also puts into a stream
(`gateway/events/stream.py`). That of RabbitMQ stands in `gateway/events/rabbit.py`.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import msgspec

from domain.broker_options import BrokerOptions
from gateway.connection import SOCKET_SECONDS, blocking_redis_client

EVENT_EXCHANGE = "celeryev"
MOST_AT_ONCE = 500
MOST_BYTES_AT_ONCE = 8 * 1024 * 1024
BROUGHT_TOGETHER = 32
"""How many items that wait are brought by one receipt at least, where the source brings more than one."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Bytes of a message; a larger one is not read. Celery puts up to 24 events into one, each with a traceback of a few
kB.
"""
LONGEST_WAIT_SECONDS = 366 * 86_400
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
    """What its source acknowledges it by; None where that is for a later one to say."""
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


def arrival(seconds: float, *, here: datetime) -> datetime:
    """Return this time, given as seconds since 1970; now (`here`) where it is none of the past year."""
    latest = here.timestamp()
    return datetime.fromtimestamp(seconds, UTC) if latest - LONGEST_WAIT_SECONDS <= seconds <= latest else here


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

    def __init__(
        self,
        broker_url: str,
        options: BrokerOptions | None = None,
        *,
        hand_on: Callable[[Sequence[bytes]], bool] | None = None,
    ) -> None:
        """Prepare to subscribe; what `hand_on` takes (it returns True) comes from elsewhere, and not from here."""
        self._hand_on = hand_on
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
        if bodies and self._hand_on is not None and self._hand_on(bodies):
            return []
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
