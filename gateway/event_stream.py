"""The stream on Redis in which our plugin keeps events until they are stored. Used by one thread, as any source.

Mirrors share it as one consumer group. A stored message is deleted, so the length of the stream is what the mirrors are
behind. Workers drop the oldest messages of a full stream; the sums below tell that some were dropped unstored.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from redis.exceptions import ResponseError

from gateway.connection import blocking_redis_client
from gateway.event_sources import MOST_AT_ONCE, Blind, EventItem, EventMessage

STREAM_KEY = "celeriac:events"
COUNTS_KEY = "celeriac:events:counts"
"""`stored`: how many messages were deleted because they are; `missed`: how many dropped ones are recorded as a gap."""
FIELD = b"body"
GROUP = "mirror"
LOOK_SECONDS = 2.0
TAKE_OVER_SECONDS = 10.0
"""What a mirror has not stored after this time another one stores; if it does so as well, that changes nothing."""
FORGET_SECONDS = 3600.0
"""A mirror asks several times a second, unless it stands still, and then it holds messages."""

_ACKNOWLEDGE = """
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('HINCRBY', KEYS[2], 'stored', redis.call('XDEL', KEYS[1], unpack(ARGV, 2)))
"""


class StreamEvents:
    """One consumer of the group, see `gateway.event_sources.EventSource`. Needs Redis 7, or Valkey."""

    kept = True

    def __init__(self, redis_url: str) -> None:
        self._client = blocking_redis_client(redis_url, protocol=2)
        self._store = self._client.register_script(_ACKNOWLEDGE)
        self._consumer = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        self._held: dict[bytes, None] = {}
        """Ids of what was handed over and is not acknowledged, in that order."""
        self._missed = 0
        self._looked_at = 0.0

    def connect(self) -> bool:
        """Workers add to the stream only once it is here."""
        try:
            self._client.xgroup_create(STREAM_KEY, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
            self._forget_consumers()
            return False
        made = self._client.xinfo_stream(STREAM_KEY)
        self._client.hset(COUNTS_KEY, mapping={"stored": made["entries-added"] - made["length"], "missed": 0})
        return True

    def receive(self, timeout: float) -> Sequence[EventItem]:
        """Never None: Redis answers also where there is nothing, and its silence is an error."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            if found := [*self._dropped(), *self._taken_over()]:
                return found
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xreadgroup(
                GROUP, self._consumer, {STREAM_KEY: ">"}, count=MOST_AT_ONCE, block=max(1, round(timeout * 1000))
            )
            pipe.time()
            streams, now = pipe.execute()
        return self._messages(streams[0][1] if streams else (), now)

    def probe(self) -> None:
        pass  # each `receive` is one

    def acknowledge(self, item: EventItem) -> None:
        if isinstance(item, Blind):
            self._client.hset(COUNTS_KEY, "missed", self._missed)
            return
        while item.tag in self._held:
            ids = list(islice(self._held, MOST_AT_ONCE))
            if item.tag in ids:
                ids = ids[: ids.index(item.tag) + 1]
            self._store(keys=[STREAM_KEY, COUNTS_KEY], args=[GROUP, *ids])
            for stored in ids:
                del self._held[stored]

    def close(self) -> None:
        self._client.close()

    def _messages(self, entries: Iterable[tuple[bytes, dict[bytes, bytes]]], now: tuple[int, int]) -> list[EventItem]:
        ahead = _ahead(now)
        found: list[EventItem] = []
        for entry_id, fields in entries:
            self._held[entry_id] = None
            found.append(EventMessage(fields.get(FIELD, b""), _heard_at(entry_id, ahead), kept=True, tag=entry_id))
        return found

    def _taken_over(self) -> list[EventItem]:
        """What was read by a mirror that died, or in an answer that was lost on its way to us."""
        idle = round(TAKE_OVER_SECONDS * 1000)
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
            pipe.hmget(COUNTS_KEY, ["stored", "missed"])
            pipe.xpending(STREAM_KEY, GROUP)
            pipe.time()
            stream, (stored, known), pending, now = pipe.execute()
        self._missed = stream["entries-added"] - int(stored or 0) - stream["length"]
        if self._missed <= int(known or 0):
            return []
        begun = min(filter(None, (stream["max-deleted-entry-id"], pending["min"])), key=_milliseconds)
        ended = stream["first-entry"][0] if stream["first-entry"] else stream["last-generated-id"]
        ahead = _ahead(now)
        return [Blind(_heard_at(begun, ahead), _heard_at(ended, ahead), kept=True)]

    def _forget_consumers(self) -> None:
        """Every mirror that ever ran has left its name."""
        for consumer in self._client.xinfo_consumers(STREAM_KEY, GROUP):
            if not consumer["pending"] and consumer["idle"] > FORGET_SECONDS * 1000:
                self._client.xgroup_delconsumer(STREAM_KEY, GROUP, consumer["name"])


def _ahead(now: tuple[int, int]) -> float:
    """Seconds by which our clock is ahead of Redis'."""
    seconds, microseconds = now
    return time.time() - seconds - microseconds / 1e6


def _milliseconds(entry_id: Any) -> int:
    """Ids begin with Redis' time of arrival."""
    return int(entry_id.split(b"-")[0])


def _heard_at(entry_id: Any, ahead: float) -> datetime:
    return datetime.fromtimestamp(_milliseconds(entry_id) / 1000 + ahead, UTC)
