"""The events of Celery on RabbitMQ: a durable queue of ours is bound beside those of Flower and others.

It keeps what it got until that is acknowledged; a restart of the broker drops what stock workers sent, and only that.
What a mirror reads there and another one owns goes into the queue of its share (`gateway/events/share_queues.py`).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, cast

import amqp
from amqp import serialization
from amqp.exceptions import NotFound
from kombu import Connection, Exchange, Queue

from domain.shares import ALONE, Shares
from gateway.connection import connect
from gateway.events.dealing import PacketPart, Packets, keep_ours, unpack
from gateway.events.share_queues import ShareQueues
from gateway.events.sources import (
    EVENT_EXCHANGE,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    NOT_UNDERSTOOD,
    Blind,
    EventItem,
    EventMessage,
    arrival,
)

DURABLE_QUEUE = "celeriac.events"
WITNESS_QUEUE = "celeriac.events.witness"
"""The queue with one message that a restart of RabbitMQ drops, like the events that nobody had fetched."""
QUEUE_LENGTH = 1_000_000
"""How many events RabbitMQ keeps for a mirror that is away; then it drops the oldest."""
NO_WAIT_SECONDS = 0.001


class RabbitEvents:
    """A durable queue bound to every event. Its messages are acknowledged after the commit."""

    streamed = False  # a restart of the broker drops what it holds, so every node may have been missed
    brings_all_below = 0

    def __init__(self, broker_url: str, *, shares: Callable[[], Shares] | None = None) -> None:
        """Prepare to consume. Without `shares` all is ours, and there are no queues of shares."""
        self._broker_url = broker_url
        self._shares = shares or (lambda: ALONE)
        self._is_dealt = shares is not None
        self._connection: Connection | None = None
        self._session = 0
        self._received: list[Any] = []
        self._packets: list[Any] = []
        self._held: dict[int, None] = {}
        """Tags of what was handed over and is not acknowledged, in that order; those of packets are below 0."""
        self._queues: ShareQueues | None = None
        self._dealt_to = 0
        self._acknowledged_to = 0
        """Tags of the last message that was dealt, and of the last one that is acknowledged."""
        _read_any_headers()

    def connect(self) -> bool:
        """Declare and consume the queue; returns whether events may have been dropped since a mirror last stored."""
        self._session += 1
        self._received, self._packets, self._held = [], [], {}
        self._dealt_to = self._acknowledged_to = 0
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
        self._channel.basic_consume(DURABLE_QUEUE, no_ack=False, callback=self._received.append)
        if self._is_dealt:
            self._queues = ShareQueues(self._connection, self._shares, on_packet=self._packets.append)
        return has_dropped or not has_witness

    def receive(self, timeout: float) -> Sequence[EventItem] | None:
        """Return what the broker has delivered, as `EventSource` says."""
        if self._queues is not None:
            self._queues.follow()
        try:
            self._drain(timeout)
        except TimeoutError:
            # AMQP has heartbeats of its own: a silent broker that passes this check is alive.
            cast(Connection, self._connection).heartbeat_check()
        return [*self._ours(), *self._unpacked()]

    def probe(self) -> None:
        """Do nothing: `receive` has checked the heartbeat."""

    def acknowledge(self, item: EventItem) -> None:
        """Acknowledge the message and all before it, if they came on this connection."""
        if isinstance(item, Blind):
            # Only now that it is stored: a mirror that dies in between leaves the next one to find it out again.
            self._channel.basic_publish(amqp.Message(b"", delivery_mode=1), routing_key=WITNESS_QUEUE)
            return
        if item.session != self._session or item.tag not in self._held:
            return
        tags = [*takewhile(lambda tag: tag != item.tag, self._held), item.tag]
        for tag in tags:
            del self._held[tag]
        self._acknowledge_messages()
        if self._queues is not None and (packet := -min(tags)) > 0:
            self._queues.acknowledge(packet)

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

    def _drain(self, timeout: float) -> None:
        """Waits for what comes; where that is dealt out, takes all that is there, so that packets are few."""
        connection = cast(Connection, self._connection)
        connection.drain_events(timeout=timeout)
        with suppress(TimeoutError):
            while not self._shares().alone and len(self._received) + len(self._packets) < MOST_AT_ONCE:
                connection.drain_events(timeout=NO_WAIT_SECONDS)

    def _ours(self) -> list[EventMessage]:
        """What is ours of the messages that have come; the rest is on its way to whose it is."""
        shares, here, others = self._shares(), datetime.now(UTC), Packets()
        if not shares.alone and self._queues is not None and not self._queues.has_room():
            return []  # they stay here: the broker delivers only so many that nobody acknowledges
        items = list[EventMessage]()
        for message in self._take(self._received):
            body: bytes | None = _body_of(message)
            if body and not shares.alone and self._queues is not None:
                heard_ms = round(here.timestamp() * 1000)
                body = keep_ours(body, shares, others=others, heard_ms=heard_ms, streamed=False)
            self._dealt_to = message.delivery_tag
            if body is not None:
                self._held[message.delivery_tag] = None
                items.append(EventMessage(body, here, tag=message.delivery_tag, session=self._session))
        if self._queues is not None and (packets := others.take()):
            self._queues.send(packets)
            self._acknowledge_messages()
        return items

    def _acknowledge_messages(self) -> None:
        """Acknowledge what is stored or on its way to others: all before the first that is held, none if that is so."""
        done = next((tag for tag in self._held if tag > 0), self._dealt_to + 1) - 1
        if done > self._acknowledged_to:
            self._channel.basic_ack(done, multiple=True)
            self._acknowledged_to = done

    def _unpacked(self) -> list[EventMessage]:
        """What others have read for us. Only the last part of a packet has a tag: it is stored when all are."""
        here, items = datetime.now(UTC), list[EventMessage]()
        for message in self._take(self._packets):
            try:
                parts = unpack(message.body)
            except (ValueError, TypeError):  # none of ours: counted as one message that nobody understands
                parts = [PacketPart(NOT_UNDERSTOOD, 0, streamed=False)]
            for left, part in zip(reversed(range(len(parts))), parts, strict=True):
                heard_at = arrival(part.heard_ms / 1000, here=here)
                tag = None if left else -message.delivery_tag
                items.append(EventMessage(part.body, heard_at, tag=tag, session=self._session))
            self._held[-message.delivery_tag] = None
        return items

    def _take(self, come: list[Any]) -> list[Any]:
        """Return what has come; the list stays the one to which the channel adds."""
        taken = come[:]
        del come[: len(taken)]
        return taken


def _body_of(message: Any) -> bytes:
    body = message.body
    return body if isinstance(body, bytes) and len(body) <= MAX_MESSAGE_BYTES else NOT_UNDERSTOOD


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
