"""The queues of the shares on RabbitMQ: packets for other mirrors go in, those of our own shares come out.

Like the queue of all events they are durable, and so are packets: a message is acknowledged only when the packets that
have it are on the broker's disk. They have no bound of their own; while a thousand packets wait in one of another
mirror, we hold what would go there, and the broker gives us no more.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import amqp

from domain.shares import Shares

MOST_PACKETS = 1_000
READ_AHEAD = 20
"""Packets that the broker gives us before we have stored the first of them; each may have hundreds of messages."""
COUNT_SECONDS = 0.2


def share_queue(share: int) -> str:
    """Return the name of the queue of this share."""
    return f"celeriac.events.share.{share}"


class ShareQueues:
    """The queues that one mirror reads and writes, on two channels of its connection."""

    def __init__(self, connection: Any, shares: Callable[[], Shares], *, on_packet: Callable[[Any], None]) -> None:
        """Open the channels, and begin to read what is ours."""
        self._shares = shares
        self._on_packet = on_packet
        self._in = connection.channel()
        self._in.auto_decode = False
        self._in.basic_qos(0, READ_AHEAD, False)
        self._out = connection.channel()
        self._declared = 0
        self._consumed: set[int] = set()
        self._counted_at = 0.0
        self._room = True
        self.follow()

    def follow(self) -> None:
        """Read the queues of those shares that are ours now, and no others any more."""
        shares = self._shares()
        for share in range(self._declared, shares.count):
            self._in.queue_declare(share_queue(share), durable=True, auto_delete=False)
        self._declared = max(self._declared, shares.count)
        for share in self._consumed - shares.owned:
            self._in.basic_cancel(share_queue(share))
        for share in sorted(shares.owned - self._consumed):
            queue = share_queue(share)
            self._in.basic_consume(queue, no_ack=False, callback=self._on_packet, consumer_tag=queue)
        self._consumed = set(shares.owned)

    def send(self, packets: Sequence[tuple[int, bytes]]) -> None:
        """Return when the broker has these for good. A queue that is gone is an error; the next connection makes it."""
        for share, packet in packets:
            self._out.basic_publish_confirm(
                amqp.Message(packet, delivery_mode=2), routing_key=share_queue(share), mandatory=True
            )

    def acknowledge(self, tag: int) -> None:
        """Acknowledge this packet and all before it."""
        self._in.basic_ack(tag, multiple=True)

    def has_room(self) -> bool:
        """Tell whether the others keep up; asked of the broker a few times a second."""
        now = time.monotonic()
        if now - self._counted_at >= COUNT_SECONDS:
            theirs = [share for share in range(self._declared) if share not in self._consumed]
            self._room = all(self._length(share) < MOST_PACKETS for share in theirs)
            self._counted_at = now
        return self._room

    def _length(self, share: int) -> int:
        return int(self._in.queue_declare(share_queue(share), passive=True).message_count)
