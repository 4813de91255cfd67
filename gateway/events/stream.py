"""The stream on Redis in which our plugin keeps events until they are stored. Used by one thread, as any source.

Mirrors share it as one consumer group. A stored message is deleted, so the length of the stream is what the mirrors are
behind. Workers drop the oldest messages of a full stream; the sums below tell that some were dropped unstored.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import structlog
from redis.exceptions import ResponseError

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY
from gateway.connection import blocking_redis_client
from gateway.events.sources import (
    BROUGHT_TOGETHER,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    MOST_BYTES_AT_ONCE,
    NOT_UNDERSTOOD,
    Blind,
    EventItem,
    EventMessage,
)

FIELD = b"body"
GROUP = "mirror"
LOOK_SECONDS = 2.0
TAKE_OVER_SECONDS = 10.0
"""How long a mirror may take to store what it has read; then another does. If both do, that changes nothing."""
FORGET_SECONDS = 3600.0
"""How long a mirror may ask nothing before its name is forgotten: one that lives asks several times a second."""
FIRST_AT_ONCE = BROUGHT_TOGETHER
"""How many messages are asked for after a rest: how large they are shows only when they are here."""
LONGEST_WAIT = timedelta(days=366)
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

log = structlog.get_logger()


class StreamEvents:
    """One consumer of the group, as `gateway.events.sources.EventSource` says. Needs Redis 7, or Valkey."""

    streamed = True
    brings_all_below = BROUGHT_TOGETHER

    def __init__(
        self,
        redis_url: str,
        *,
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
        self._held: dict[bytes, None] = {}
        """Ids of what was handed over and is not acknowledged, in that order."""
        self._missed = 0
        self._server = ""
        self._failover: Blind | None = None
        self._answered_at = datetime.min.replace(tzinfo=UTC)
        self._looked_at = 0.0
        self._at_once = FIRST_AT_ONCE

    def connect(self) -> bool:
        """Make the stream and join the group: workers add to the stream only once it is here."""
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
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xreadgroup(
                GROUP, self._consumer, {STREAM_KEY: ">"}, count=self._at_once, block=max(1, round(timeout * 1000))
            )
            pipe.time()
            streams, now = pipe.execute()
        self._answered_at = datetime.now(UTC)
        entries = streams[0][1] if streams else ()
        self._at_once = self._next_count(entries)
        return self._messages(entries, now)

    def probe(self) -> None:
        """Do nothing: each `receive` is a probe."""

    def acknowledge(self, item: EventItem) -> None:
        """Delete what is stored from the stream."""
        if isinstance(item, Blind):
            self._client.hset(STREAM_COUNTS_KEY, mapping={"missed": self._missed, "server": self._server})
            return
        while item.tag in self._held:
            ids = list(islice(self._held, MOST_AT_ONCE))
            if item.tag in ids:
                ids = ids[: ids.index(item.tag) + 1]
            self._store(keys=[STREAM_KEY, STREAM_COUNTS_KEY], args=[GROUP, *ids])
            for stored in ids:
                del self._held[stored]

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

    def _next_count(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> int:
        """How many to ask for next: twice as many while those that come are small and many, up to a bound in bytes."""
        size = sum(len(body) for _, fields in entries for body in fields.values())
        if size > MOST_BYTES_AT_ONCE:
            return max(1, len(entries) * MOST_BYTES_AT_ONCE // size)
        if len(entries) < self._at_once:
            return max(FIRST_AT_ONCE, len(entries))
        return min(2 * self._at_once, MOST_AT_ONCE)

    def _messages(
        self, entries: Iterable[tuple[bytes | None, dict[bytes, bytes]]], now: tuple[int, int]
    ) -> list[EventItem]:
        ahead, here = _ahead(now), datetime.now(UTC)
        items: list[EventItem] = []
        for entry_id, fields in entries:
            if entry_id is None:
                continue  # deleted meanwhile
            body = fields.get(FIELD, NOT_UNDERSTOOD)
            if len(body) > MAX_MESSAGE_BYTES:
                body = NOT_UNDERSTOOD
            items.append(EventMessage(body, _heard_at(entry_id, ahead, here=here), streamed=True, tag=entry_id))
            self._held[entry_id] = None
        return items

    def _taken_over(self) -> list[EventItem]:
        """What was read by a mirror that died, or in an answer that was lost on its way to us."""
        idle = round(self._take_over_seconds * 1000)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xautoclaim(STREAM_KEY, GROUP, self._consumer, idle, count=MOST_AT_ONCE)
            pipe.time()
            (_, claimed, *_), now = pipe.execute()
        if len(claimed) == MOST_AT_ONCE:
            self._looked_at = 0.0  # there may be more
        return self._messages([entry for entry in claimed if entry[0] not in self._held], now)

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
        return [Blind(_heard_at(begun, ahead, here=here), _heard_at(ended, ahead, here=here), streamed=True)]

    def _leave_the_future(self, last_id: bytes, now: tuple[int, int]) -> None:
        """Make the stream anew where its ids are ahead of the time and nothing waits in it.

        Otherwise nobody would know any more when a message arrived; after the last of all ids none can be added.
        """
        if _milliseconds(last_id) < now[0] * 1000 + AHEAD_MS:
            return
        if self._begin_anew(keys=[STREAM_KEY, STREAM_COUNTS_KEY], args=[GROUP, last_id]):
            self._held.clear()
            log.warning("stream_made_anew", last_id=last_id.decode())

    def _forget_consumers(self) -> None:
        """Every mirror that ever ran has left its name."""
        for consumer in self._client.xinfo_consumers(STREAM_KEY, GROUP):
            if not consumer["pending"] and consumer["idle"] > self._forget_seconds * 1000:
                self._client.xgroup_delconsumer(STREAM_KEY, GROUP, consumer["name"])


def _ahead(now: tuple[int, int]) -> float:
    """Seconds by which our clock is ahead of Redis'."""
    seconds, microseconds = now
    return time.time() - seconds - microseconds / 1e6


def _milliseconds(entry_id: Any) -> int:
    """Ids begin with Redis' time of arrival."""
    return int(entry_id.split(b"-")[0])


def _heard_at(entry_id: Any, ahead: float, *, here: datetime) -> datetime:
    """When the message arrived; now (`here`) where its id, which anybody may choose, is no time of the past year."""
    latest = here.timestamp()
    seconds = _milliseconds(entry_id) / 1000 + ahead
    if not latest - LONGEST_WAIT.total_seconds() <= seconds <= latest:
        return here
    return datetime.fromtimestamp(seconds, UTC)


def _is_number(count: Any) -> bool:
    """Whether it is one of the sums, or not there yet."""
    return count is None or (count.isdigit() and len(count) < 19)
