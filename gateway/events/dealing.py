"""Dealing the events of a message out by task: what is ours stays, what is another mirror's is packed for its share.

A packet holds parts of messages with the time at which each was heard. It waits in a stream on Redis, in a queue on
RabbitMQ: that of the first share of whoever owns the tasks in it, who takes it from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from domain.shares import Shares

PACKET_BYTES = 256 * 1024
"""A packet that has grown so large is closed, and the next one begun."""


class _Subject(msgspec.Struct):
    uuid: str | None = None
    hostname: str | None = None


_Part = tuple[int, bool, msgspec.Raw]
"""What `PacketPart` says, with the events of the message, or the only one, as they are."""
_subjects_in = msgspec.json.Decoder(_Subject | list[_Subject]).decode
_events_in = msgspec.json.Decoder(list[msgspec.Raw]).decode
_parts_in = msgspec.json.Decoder(list[_Part]).decode


@dataclass(frozen=True, slots=True)
class PacketPart:
    """What one packet has of one message."""

    body: bytes
    heard_ms: int
    """Milliseconds since 1970, by the clock of whoever keeps the packet."""
    streamed: bool


@dataclass(slots=True)
class Packets:
    """Parts for other mirrors, by share, as they go on their way."""

    closed: list[tuple[int, bytes]] = field(default_factory=list)
    _open: dict[int, list[bytes]] = field(default_factory=dict)
    _bytes: dict[int, int] = field(default_factory=dict)

    def add(self, share: int, body: bytes, *, heard_ms: int, streamed: bool) -> None:
        """Put a part into the packet of this share."""
        parts = self._open.setdefault(share, [])
        parts.append(b"[%d,%s,%s]" % (heard_ms, b"true" if streamed else b"false", body))
        self._bytes[share] = self._bytes.get(share, 0) + len(body)
        if self._bytes[share] >= PACKET_BYTES:
            self._close(share)

    def take(self) -> list[tuple[int, bytes]]:
        """Return all packets, each with its share; then there are none."""
        for share in list(self._open):
            self._close(share)
        closed, self.closed = self.closed, []
        return closed

    def _close(self, share: int) -> None:
        self.closed.append((share, b"[%s]" % b",".join(self._open.pop(share))))
        del self._bytes[share]


def keep_ours(body: bytes, shares: Shares, *, others: Packets, heard_ms: int, streamed: bool) -> bytes | None:
    """Return what of this message is ours, None if nothing is; the rest goes into one packet for each other mirror.

    What cannot be read is ours: it is counted here as it would be anywhere.
    """
    try:
        found = _subjects_in(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    subjects = found if isinstance(found, list) else [found]
    places = [shares.place_of(each.uuid or each.hostname or "") for each in subjects]
    if shares.owned.issuperset(places):
        return body
    if len(set(places)) == 1:
        others.add(places[0], body, heard_ms=heard_ms, streamed=streamed)
        return None
    by_share: dict[int, list[bytes]] = {}
    for share, event in zip(places, _events_in(body), strict=True):
        by_share.setdefault(-1 if share in shares.owned else share, []).append(bytes(event))
    ours = by_share.pop(-1, None)
    for share, events in by_share.items():
        others.add(share, _listed(events), heard_ms=heard_ms, streamed=streamed)
    return _listed(ours) if ours else None


def unpack(packet: bytes) -> list[PacketPart]:
    """Return the parts of a packet, at least one. Raises ValueError where it is none."""
    parts = [PacketPart(bytes(body), milliseconds, streamed) for milliseconds, streamed, body in _parts_in(packet)]
    if not parts:
        raise ValueError("a packet without parts")
    return parts


def _listed(events: Sequence[bytes]) -> bytes:
    return b"[%s]" % b",".join(events)
