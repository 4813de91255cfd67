"""Takes messages back from a Redis broker: waiting ones out of their queue, and those that a dead worker held.

RabbitMQ gives the messages of a lost connection back by itself, and lets nobody take one out of the middle of a queue:
there nothing is ever found. kombu's layout on Redis: lists per queue and priority, the hash `unacked` of what consumers
have fetched (`[message, exchange, routing key]` by delivery tag) and `unacked_index` of when. Their names are the app's
choice (`gateway/layout.py`). A message goes back only into a list that a consumer of its queue is known to read; else
it stays where it is, and the broker gives it out again after its visibility timeout.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from domain.errors import BrokerUnavailable
from domain.priority import Transport
from gateway.connection import is_no_list, redis_client, transport_of
from gateway.layout import BINDINGS, Layout, Ledger
from gateway.portions import read_fields, read_hash, read_list
from gateway.queues import task_ids_of

MOST_PRIORITY = 9
"""The highest priority that kombu takes."""
MOST_FETCHED_BYTES = 32 * 1024 * 1024
"""Bytes of messages that are looked at in one go; what is more is left for the next look."""
NEWCOMER_SECONDS = 5.0
"""How long a worker that has come back may take to say which lists it reads: a second or two were seen."""
EVER = 1e15
"""A time that is never reached, in seconds since 1970."""
MOST_LOOKED_AT = 20_000
"""How many waiting messages of a queue are looked at, the newest first; 10,000 of 0.7 kB take 60 ms."""

# KEYS: unacked, its index, the lists to put it into. ARGV: delivery tag, message, the latest time of its fetch that
# counts: a message keeps its tag when it is fetched again. Whoever deletes the entry moves it; -1 where a list is none.
_MOVE = """
local fetched = redis.call('ZSCORE', KEYS[2], ARGV[1])
if fetched and tonumber(fetched) > tonumber(ARGV[3]) then return 0 end
for i = 3, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'list' and kind ~= 'none' then return -1 end
end
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[2]) end
return 1
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FetchedMessage:
    """A message that some consumer has fetched and not acknowledged."""

    task_id: str
    tag: str
    message: dict[str, Any]
    exchange: str
    routing_key: str
    ledger: Ledger
    fetched_at: datetime | None = None
    """The time by the clock of whoever fetched it."""

    @property
    def queue_name(self) -> str | None:
        """Return the queue it came from; None where its exchange may lead anywhere."""
        return self.routing_key if self.exchange in ("", self.routing_key) else None


class MessageMover:
    """One broker. Every method may raise BrokerUnavailable."""

    def __init__(self, broker_url: str, layout: Layout | None = None) -> None:
        on_redis = transport_of(broker_url) is Transport.REDIS
        self._redis: Redis | None = redis_client(broker_url) if on_redis else None
        self._layout = layout or Layout()

    async def withdraw(self, task_id: str, queue_name: str) -> bool:
        """Take a task's waiting messages out of its queue; True if there was one, and no consumer holds another."""
        if self._redis is None:
            return False
        removed = 0
        async with _translated_errors():
            for key in self._layout.lists_of(queue_name):
                for message in await self._find(key, task_id):
                    removed += await self._redis.lrem(key, 1, cast(str, message))
            return removed > 0 and not await self._fetched_of({task_id})

    async def list_fetched(self, *, before: datetime, limit: int) -> list[FetchedMessage]:
        """Return what consumers have held since before then, by their own clocks; the longest held first."""
        if self._redis is None:
            return []
        fetched: list[FetchedMessage] = []
        async with _translated_errors():
            for ledger in self._layout.ledgers:
                fetched += await self._list_fetched(ledger, before=before.timestamp(), limit=limit - len(fetched))
        return fetched

    async def put_back_fetched(self, messages: Collection[FetchedMessage], *, before: datetime) -> frozenset[str]:
        """Put just these messages back as `put_back` does; one that was fetched again since then stays."""
        return await self._move_all(messages, back=True, before=before.timestamp())

    async def put_back(self, task_ids: Collection[str]) -> frozenset[str]:
        """Put what consumers hold of these tasks first in line of its queue; returns the tasks that were put back.

        What would lie where nobody is known to read stays: the broker gives it out again after its visibility timeout.
        Only for tasks whose holder is surely gone: one that lives would run them beside the next.
        """
        return await self._move(task_ids, back=True)

    async def discard(self, task_ids: Collection[str]) -> frozenset[str]:
        """Drop what consumers hold of these tasks; returns the tasks that were held. Only where the holder is gone."""
        return await self._move(task_ids, back=False)

    async def close(self) -> None:
        """End the connection."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _find(self, key: str, task_id: str) -> list[bytes]:
        """Messages of the task in a list. Read from the end that grows, so what is added meanwhile hides nothing."""
        assert self._redis is not None
        messages: list[bytes] = []
        async for portion in read_list(self._redis, key, most=MOST_LOOKED_AT):
            likely = [message for message in portion if task_id.encode() in message]
            messages += [message for message in likely if task_id in task_ids_of([message])]
        return messages

    async def _move(self, task_ids: Collection[str], *, back: bool) -> frozenset[str]:
        if self._redis is None or not task_ids:
            return frozenset()
        async with _translated_errors():
            messages = await self._fetched_of(set(task_ids))
        return await self._move_all(messages, back=back)

    async def _move_all(
        self, messages: Collection[FetchedMessage], *, back: bool, before: float = EVER
    ) -> frozenset[str]:
        moved = set()
        async with _translated_errors():
            if back:
                await self._layout.await_newcomers(
                    [queue for message in messages for queue in await self._queues(message)], seconds=NEWCOMER_SECONDS
                )
            # Each goes in front of the one before: the newest first leaves the oldest first in line.
            for message in sorted(messages, key=lambda message: message.task_id, reverse=True):
                if await self._move_one(message, await self._lists(message) if back else None, before=before):
                    moved.add(message.task_id)
        return frozenset(moved)

    async def _fetched_of(self, task_ids: set[str]) -> list[FetchedMessage]:
        assert self._redis is not None
        fetched: list[FetchedMessage] = []
        for ledger in self._layout.ledgers:
            async for entries in read_hash(self._redis, ledger.unacked):
                likely = [(tag, entry) for tag, entry in entries if not task_ids.isdisjoint(task_ids_of([entry]))]
                fetched += _read_entries(likely, ledger)
        return fetched

    async def _list_fetched(self, ledger: Ledger, *, before: float, limit: int) -> list[FetchedMessage]:
        if self._redis is None or limit <= 0:
            return []
        scores = await self._redis.zrangebyscore(ledger.index, "-inf", before, start=0, num=limit, withscores=True)
        times = {tag: _time(score) for tag, score in cast(list[tuple[bytes, float]], scores)}
        fetched: list[FetchedMessage] = []
        size = 0
        async for entries in read_fields(self._redis, ledger.unacked, fields=list(times)):
            fetched += (
                replace(message, fetched_at=times[message.tag.encode()]) for message in _read_entries(entries, ledger)
            )
            size += sum(len(entry) for _, entry in entries)
            if size >= MOST_FETCHED_BYTES:
                break
        return fetched

    async def _lists(self, fetched: FetchedMessage) -> list[str]:
        """One of each queue that the message belongs to; none if one of them is not known to be read."""
        own_priority = fetched.message["properties"].get("priority")
        priority = min(max(own_priority, 0), MOST_PRIORITY) if isinstance(own_priority, int) else 0
        lists = [self._layout.list_for(name, priority) for name in await self._queues(fetched)]
        if None in lists:
            log.warning("message_left_to_broker", task_id=fetched.task_id)
            return []
        return [self._layout.key(name) for name in lists if name is not None]

    async def _queues(self, fetched: FetchedMessage) -> Sequence[str]:
        """The queues that the message's exchange leads to; the exchange without a name leads to that of the key."""
        if not fetched.exchange:
            return [fetched.routing_key]
        assert self._redis is not None
        return self._layout.queues_of(await self._bindings(fetched.exchange), fetched.routing_key)

    async def _bindings(self, exchange: str) -> set[bytes]:
        assert self._redis is not None
        try:
            return cast(set[bytes], await self._redis.smembers(self._layout.key(BINDINGS + exchange)))
        except ResponseError as error:
            if is_no_list(error):
                return set()  # whoever wrote the message named a key that is something else
            raise

    async def _move_one(self, fetched: FetchedMessage, lists: Sequence[str] | None, *, before: float) -> bool:
        """Move the message into these lists, or nowhere for None. What leads to no queue stays where it is."""
        if lists is not None and not lists:
            return False
        assert self._redis is not None
        fetched.message["headers"]["redelivered"] = True
        fetched.message["properties"].setdefault("delivery_info", {})["redelivered"] = True
        keys = [fetched.ledger.unacked, fetched.ledger.index, *(lists or ())]
        moved = await self._redis.eval(_MOVE, len(keys), *keys, fetched.tag, json.dumps(fetched.message), before)
        if moved == -1:
            log.warning("message_not_moved", task_id=fetched.task_id)
        return bool(moved == 1)


def _read_entries(entries: Iterable[tuple[bytes, bytes]], ledger: Ledger) -> list[FetchedMessage]:
    read = (_read_entry(tag, entry, ledger=ledger) for tag, entry in entries)
    return [message for message in read if message is not None]


def _read_entry(tag: bytes, entry: bytes, *, ledger: Ledger) -> FetchedMessage | None:
    """Read an entry; None where it is no message of a task, or not one that a worker could read either."""
    if not task_ids_of([entry]):
        return None
    try:
        message, exchange, routing_key = json.loads(entry)
        delivery = message.setdefault("properties", {}).setdefault("delivery_info", {})
        if not isinstance(delivery, dict):
            return None
        return FetchedMessage(message["headers"]["id"], tag.decode(), message, exchange, routing_key, ledger)
    except Exception:  # whatever anybody has put there: such a message never keeps the others from being put back
        return None


def _time(seconds: float) -> datetime:
    """Return a time that there can be, whatever anybody wrote there."""
    return datetime.fromtimestamp(max(0.0, seconds), UTC)


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise BrokerUnavailable from error
