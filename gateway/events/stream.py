"""The stream on Redis in which our plugin keeps events until they are stored. Used by one thread, as any source.

Mirrors share it as one consumer group: of what one reads it keeps what is its own, and sends the rest to the streams of
the other shares (`gateway/events/share_streams.py`). A stored message is deleted, so the length of the stream is what
the mirrors are behind. Workers drop the oldest messages of a full stream; the sums below tell that some were dropped
unstored.
"""

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

import structlog
from redis.exceptions import ResponseError

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY
from domain.shares import ALONE, Shares
from gateway.connection import blocking_redis_client
from gateway.events.dealing import PacketPart, Packets, keep_ours, unpack
from gateway.events.share_streams import PACKET_FIELD, ShareStreams
from gateway.events.sources import (
    BROUGHT_TOGETHER,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    MOST_BYTES_AT_ONCE,
    NOT_UNDERSTOOD,
    Blind,
    EventItem,
    EventMessage,
    arrival,
)

FIELD = b"body"
PUBLISHED_FIELD = b"published"
"""The field of a message that mirrors have heard, and no worker has kept for them."""
GROUP = "mirror"
LOOK_SECONDS = 2.0
TAKE_OVER_SECONDS = 10.0
"""How long a mirror may take to store what it has read; then another does. If both do, that changes nothing."""
FORGET_SECONDS = 3600.0
"""How long a mirror may ask nothing before its name is forgotten: one that lives asks several times a second."""
FIRST_AT_ONCE = BROUGHT_TOGETHER
"""How many messages are asked for after a rest: how large they are shows only when they are here."""
AHEAD_MS = 60_000
"""How far an id may be ahead of Redis' clock; one further ahead was given by hand, and all later ones follow it."""

_ACKNOWLEDGE = """
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('HINCRBY', KEYS[2], 'stored', redis.call('XDEL', KEYS[1], unpack(ARGV, 2)))
"""

# KEYS: the stream, the sums. ARGV: the group, the last id given when the stream was looked at. Never drops a message.
_BEGIN_ANEW = """
if redis.call('XLEN', KEYS[1]) > 0 then return 0 end
local told = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #told, 2 do
  if told[i] == 'last-generated-id' and told[i + 1] ~= ARGV[2] then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
redis.call('HSET', KEYS[2], 'stored', 0, 'missed', 0)
return 1
"""

Entry = tuple[bytes | None, dict[bytes, bytes]]

log = structlog.get_logger()


class StreamEvents:
    """One consumer of the group, as `gateway.events.sources.EventSource` says. Needs Redis 7, or Valkey."""

    streamed = True
    brings_all_below = BROUGHT_TOGETHER

    def __init__(
        self,
        redis_url: str,
        *,
        shares: Callable[[], Shares] = lambda: ALONE,
        look_seconds: float = LOOK_SECONDS,
        take_over_seconds: float = TAKE_OVER_SECONDS,
        forget_seconds: float = FORGET_SECONDS,
    ) -> None:
        self._look_seconds = look_seconds
        self._take_over_seconds = take_over_seconds
        self._forget_seconds = forget_seconds
        self._client = blocking_redis_client(redis_url, protocol=2)
        self._store = self._client.register_script(_ACKNOWLEDGE)
        self._begin_anew = self._client.register_script(_BEGIN_ANEW)
        self._consumer = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        self._shares = shares
        self._packets = ShareStreams(self._client, shares, group=GROUP)
        self._held: dict[bytes, float] = {}
        """Tags of what was handed over and is not acknowledged, in that order, and when each was last claimed."""
        self._acknowledged_at = 0.0
        self._missed = 0
        self._server = ""
        self._failover: Blind | None = None
        self._answered_at = datetime.min.replace(tzinfo=UTC)
        self._looked_at = 0.0
        self._at_once = FIRST_AT_ONCE

    def connect(self) -> bool:
        """Make the stream and join the group: workers add to the stream only once it is here."""
        self._packets.leave()
        try:
            self._client.xgroup_create(STREAM_KEY, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
            self._forget_consumers()
            counts = self._client.hmget(STREAM_COUNTS_KEY, ["stored", "missed"])
            if all(map(_is_number, counts)):
                self._missed = int(counts[1] or 0)
                self._look_at_server()
                return False
            log.warning("stream_counts_made_anew")
        made = self._client.xinfo_stream(STREAM_KEY)
        self._look_at_server()
        counted: dict[Any, Any] = {
            "stored": made["entries-added"] - made["length"],
            "missed": 0,
            "server": self._server,
        }
        self._client.hset(STREAM_COUNTS_KEY, mapping=counted)
        return True

    def receive(self, timeout: float) -> Sequence[EventItem]:
        """Return what has come, never None: Redis answers also where there is nothing, and its silence is an error."""
        if self._failover is not None:
            gap, self._failover = self._failover, None
            return [gap]
        if time.monotonic() - self._looked_at > self._look_seconds:
            self._looked_at = time.monotonic()
            if items := [*self._dropped(), *self._taken_over()]:
                return items
        everybodys = [STREAM_KEY] if self._packets.has_room() else []
        streams: dict[Any, Any] = dict.fromkeys([*everybodys, *self._packets.ours()], ">")
        if not streams:  # nothing is ours, and those whose it is are behind
            time.sleep(timeout)
            return []
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xreadgroup(GROUP, self._consumer, streams, count=self._at_once, block=max(1, round(timeout * 1000)))
            pipe.time()
            read, now = pipe.execute()
        self._answered_at = datetime.now(UTC)
        by_key = dict(read or ())
        self._at_once = self._next_count([entry for entries in by_key.values() for entry in entries])
        return [item for key, entries in by_key.items() for item in self._items(key, entries, now=now)]

    def probe(self) -> None:
        """Do nothing: each `receive` is a probe."""

    def acknowledge(self, item: EventItem) -> None:
        """Delete what is stored from the stream."""
        if isinstance(item, Blind):
            self._client.hset(STREAM_COUNTS_KEY, mapping={"missed": self._missed, "server": self._server})
            return
        while item.tag in self._held:
            tags = list(islice(self._held, MOST_AT_ONCE))
            if item.tag in tags:
                tags = tags[: tags.index(item.tag) + 1]
            self._delete(_by_stream(tags))
            for stored in tags:
                del self._held[stored]
            self._acknowledged_at = time.monotonic()

    def _delete(self, ids: dict[str, list[bytes]]) -> None:
        if stored := ids.pop(STREAM_KEY, None):
            self._store(keys=[STREAM_KEY, STREAM_COUNTS_KEY], args=[GROUP, *stored])
        if ids:
            with self._client.pipeline(transaction=True) as pipe:
                for key, of_packets in ids.items():
                    pipe.xack(key, GROUP, *of_packets)
                    pipe.xdel(key, *of_packets)
                pipe.execute()

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _look_at_server(self) -> None:
        """Another one that was a replica before: what the last one had not handed on when it died is gone.

        Its own counts agree with each other, so they do not tell. One that merely began anew has no history of another.
        """
        server_before: Any = self._client.hget(STREAM_COUNTS_KEY, "server")
        self._server = str(self._client.info("server")["run_id"])
        if server_before is None:
            self._client.hset(STREAM_COUNTS_KEY, "server", self._server)
        elif (
            server_before.decode() != self._server
            and self._client.info("replication").get("second_repl_offset", -1) >= 0
        ):
            read = self._client.xinfo_groups(STREAM_KEY)[0]["last-delivered-id"]
            here, now = datetime.now(UTC), self._client.time()
            begun = max(_heard_at(read, _ahead(now), here=here), self._answered_at) if _milliseconds(read) else here
            self._failover = Blind(begun, here, streamed=True)
            log.warning("stream_failed_over", since=begun.isoformat())

    def _next_count(self, entries: Sequence[Entry]) -> int:
        """How many to ask for next: twice as many while those that come are small and many, up to a bound in bytes."""
        size = sum(len(body) for _, fields in entries for body in fields.values())
        if size > MOST_BYTES_AT_ONCE:
            return max(1, len(entries) * MOST_BYTES_AT_ONCE // size)
        if len(entries) < self._at_once:
            return max(FIRST_AT_ONCE, len(entries))
        return min(2 * self._at_once, MOST_AT_ONCE)

    def _items(self, key: Any, entries: Iterable[Entry], *, now: tuple[int, int]) -> list[EventItem]:
        name = key.decode() if isinstance(key, bytes) else key
        return self._messages(entries, now) if name == STREAM_KEY else self._unpacked(name, entries, now=now)

    def _messages(self, entries: Iterable[Entry], now: tuple[int, int]) -> list[EventItem]:
        """What is ours of these; the rest is on its way to whose it is."""
        ahead, here, shares = _ahead(now), datetime.now(UTC), self._shares()
        items, tags, others, moved = list[EventItem](), list[bytes](), Packets(), list[bytes]()
        for entry_id, fields in entries:
            if entry_id is None:
                continue  # deleted meanwhile
            streamed = PUBLISHED_FIELD not in fields
            body: bytes | None = fields.get(FIELD if streamed else PUBLISHED_FIELD, NOT_UNDERSTOOD)
            if body and len(body) > MAX_MESSAGE_BYTES:
                body = NOT_UNDERSTOOD
            if body and not shares.alone:
                body = keep_ours(body, shares, others=others, heard_ms=_milliseconds(entry_id), streamed=streamed)
            if body is None:
                moved.append(entry_id)
            else:
                tags.append(entry_id)
                items.append(EventMessage(body, _heard_at(entry_id, ahead, here=here), streamed=streamed, tag=entry_id))
        if packets := others.take():
            self._packets.send(packets, moved=moved)
        self._held |= dict.fromkeys(tags, time.monotonic())
        return items

    def _unpacked(self, key: str, entries: Iterable[Entry], *, now: tuple[int, int]) -> list[EventItem]:
        """What others have read for us. Only the last part of a packet has a tag: it is stored when all are."""
        ahead, here = _ahead(now), datetime.now(UTC)
        items: list[EventItem] = []
        for entry_id, fields in entries:
            if entry_id is None:
                continue  # as above
            tag = b"%s %s" % (key.encode(), entry_id)
            try:
                parts = unpack(fields.get(PACKET_FIELD, b""))
            except ValueError:  # none of ours: counted as one message that nobody understands
                parts = [PacketPart(NOT_UNDERSTOOD, _milliseconds(entry_id), streamed=True)]
            for left, part in zip(reversed(range(len(parts))), parts, strict=True):
                body = part.body if len(part.body) <= MAX_MESSAGE_BYTES else NOT_UNDERSTOOD
                heard_at = arrival(part.heard_ms / 1000 + ahead, here=here)
                items.append(EventMessage(body, heard_at, streamed=part.streamed, tag=None if left else tag))
            self._held[tag] = time.monotonic()
        return items

    def _taken_over(self) -> list[EventItem]:
        """What was read by a mirror that died, or in an answer that was lost on its way to us."""
        self._keep_held()
        self._packets.look()
        keys, idle = [STREAM_KEY, *self._packets.ours()], round(self._take_over_seconds * 1000)
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.xautoclaim(key, GROUP, self._consumer, idle, count=MOST_AT_ONCE)
            pipe.time()
            *answers, now = pipe.execute()
        items: list[EventItem] = []
        for key, (_, claimed, *_) in zip(keys, answers, strict=True):
            if len(claimed) == MOST_AT_ONCE:
                self._looked_at = 0.0  # there may be more
            items += self._items(key, [entry for entry in claimed if _tag(key, entry[0]) not in self._held], now=now)
        return items

    def _keep_held(self) -> None:
        """Claim anew what we hold for long, while we do store: others would take it over and do it again."""
        now = time.monotonic()
        if now - self._acknowledged_at > self._take_over_seconds:
            return
        old = [tag for tag, claimed_at in self._held.items() if now - claimed_at > self._take_over_seconds / 3]
        for start in range(0, len(old), MOST_AT_ONCE):
            tags = old[start : start + MOST_AT_ONCE]
            for key, ids in _by_stream(tags).items():
                self._client.xclaim(key, GROUP, self._consumer, 0, ids, justid=True)  # type: ignore[arg-type]
            self._held |= dict.fromkeys(tags, now)

    def _dropped(self) -> list[EventItem]:
        """A blind stretch if the stream was trimmed past what is stored, until that is acknowledged.

        All that was ever added is stored, or still there, or was dropped.
        """
        with self._client.pipeline(transaction=True) as pipe:
            pipe.xinfo_stream(STREAM_KEY)
            pipe.hmget(STREAM_COUNTS_KEY, ["stored", "missed"])
            pipe.xpending(STREAM_KEY, GROUP)
            pipe.time()
            stream, (stored, missed_before), pending, now = pipe.execute()
        self._missed = stream["entries-added"] - int(stored or 0) - stream["length"]
        if self._missed <= int(missed_before or 0):
            self._leave_the_future(stream["last-generated-id"], now)
            return []
        begun = min(filter(None, (stream["max-deleted-entry-id"], pending["min"])), key=_milliseconds)
        ended = stream["first-entry"][0] if stream["first-entry"] else stream["last-generated-id"]
        ahead, here = _ahead(now), datetime.now(UTC)
        kept = Blind(_heard_at(begun, ahead, here=here), _heard_at(ended, ahead, here=here), streamed=True)
        # Of several mirrors each puts here what all the other nodes publish.
        return [kept] if self._shares().alone else [kept, replace(kept, streamed=False)]

    def _leave_the_future(self, last_id: bytes, now: tuple[int, int]) -> None:
        """Make the stream anew where its ids are ahead of the time and nothing waits in it.

        Otherwise nobody would know any more when a message arrived; after the last of all ids none can be added.
        """
        if _milliseconds(last_id) < now[0] * 1000 + AHEAD_MS:
            return
        if self._begin_anew(keys=[STREAM_KEY, STREAM_COUNTS_KEY], args=[GROUP, last_id]):
            self._held = {tag: at for tag, at in self._held.items() if b" " in tag}
            log.warning("stream_made_anew", last_id=last_id.decode())

    def _forget_consumers(self) -> None:
        """Every mirror that ever ran has left its name."""
        for consumer in self._client.xinfo_consumers(STREAM_KEY, GROUP):
            if not consumer["pending"] and consumer["idle"] > self._forget_seconds * 1000:
                self._client.xgroup_delconsumer(STREAM_KEY, GROUP, consumer["name"])


def _tag(key: str, entry_id: bytes | None) -> bytes:
    """What a message is known by here: ids are those of its stream."""
    return entry_id or b"" if key == STREAM_KEY else b"%s %s" % (key.encode(), entry_id or b"")


def _by_stream(tags: Iterable[bytes]) -> dict[str, list[bytes]]:
    ids: dict[str, list[bytes]] = {}
    for tag in tags:
        key, _, entry_id = tag.rpartition(b" ")
        ids.setdefault(key.decode() or STREAM_KEY, []).append(entry_id)
    return ids


def _ahead(now: tuple[int, int]) -> float:
    """Seconds by which our clock is ahead of Redis'."""
    seconds, microseconds = now
    return time.time() - seconds - microseconds / 1e6


def _milliseconds(entry_id: Any) -> int:
    """Ids begin with Redis' time of arrival."""
    return int(entry_id.split(b"-")[0])


def _heard_at(entry_id: Any, ahead: float, *, here: datetime) -> datetime:
    """When the message arrived; now (`here`) where its id, which anybody may choose, is no time of the past year."""
    return arrival(_milliseconds(entry_id) / 1000 + ahead, here=here)


def _is_number(count: Any) -> bool:
    """Whether it is one of the sums, or not there yet."""
    return count is None or (count.isdigit() and len(count) < 19)
