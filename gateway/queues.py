"""Looks into the broker's queues: how long they are, and on Redis which tasks lie in them.

Redis is read directly: kombu's passive declare reports an empty queue as missing. RabbitMQ tells only how many messages
are ready, not what its consumers hold, and its queues cannot be read without taking messages out.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import closing
from typing import Annotated, Any

import msgspec
import structlog
from amqp.exceptions import ChannelError
from redis.exceptions import RedisError, ResponseError

from domain.errors import BrokerUnavailable
from domain.priority import Transport
from domain.proofs import ServerLife
from gateway.connection import connect, is_no_list, redis_client, transport_of
from gateway.layout import Layout
from gateway.portions import read_hash, read_list
from gateway.server_life import server_life_of
from gateway.threads import BrokerThread

RABBIT_SECONDS = 5
MAX_ID = 1_024
"""Characters of an id of a task; what is longer is none of ours."""
MAX_RABBIT_NAME_BYTES = 255
"""AMQP knows no longer names, so no such queue exists."""

log = structlog.get_logger(__name__)


class QueueReader:
    """Reads the queues of one broker."""

    def __init__(self, broker_url: str, layout: Layout | None = None) -> None:
        redis = transport_of(broker_url) is Transport.REDIS
        self._queues: _RedisQueues | _RabbitQueues = (
            _RedisQueues(broker_url, layout or Layout()) if redis else _RabbitQueues(broker_url)
        )

    async def depths(self, names: Collection[str]) -> dict[str, int]:
        """Return how many messages wait in each queue; 0 for one that does not exist. Raises BrokerUnavailable."""
        return await self._queues.depths(list(names))

    async def ids_in_queues(
        self, queue_names: Collection[str], *, among: Collection[str] | None = None
    ) -> set[str] | None:
        """Return the tasks in these queues, and those that any worker has fetched and not acknowledged.

        None where the broker cannot be read so: RabbitMQ, or where workers use it in more ways than are looked at.
        With `among`, only such ids are kept: a long backlog then takes no memory. A task on its way back from a worker
        may be missed; ask twice before believing in its absence.
        """
        return await self._queues.ids_in_queues(list(queue_names), None if among is None else set(among))

    async def find_foreign(self, names: Collection[str]) -> frozenset[str]:
        """Return those of these names that are keys of another kind: a worker that consumed one would end at once.

        On RabbitMQ a queue is nothing else. Raises BrokerUnavailable.
        """
        return await self._queues.find_foreign(list(names))

    async def get_life(self) -> ServerLife:
        """Return which life of the server this is; nothing is known of it where that is not told (RabbitMQ, no right to
        ask).

        Raises BrokerUnavailable.
        """
        return await self._queues.get_life()

    async def ping(self) -> None:
        """Return when the broker answers; raises BrokerUnavailable otherwise."""
        await self._queues.ping()

    async def close(self) -> None:
        """End the connection."""
        await self._queues.close()


class _RedisQueues:
    def __init__(self, broker_url: str, layout: Layout) -> None:
        self._redis = redis_client(broker_url)
        self._layout = layout

    async def depths(self, names: Sequence[str]) -> dict[str, int]:
        keys = [(name, key) for name in names for key in self._layout.lists_of(name)]
        depths = dict.fromkeys(names, 0)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for _, key in keys:
                    pipe.llen(key)
                answers = await pipe.execute(raise_on_error=False)
            for (name, _), answer in zip(keys, answers, strict=True):
                depths[name] += _length(answer)
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error
        return depths

    async def ids_in_queues(self, names: Sequence[str], among: set[str] | None) -> set[str] | None:
        if not self._layout.is_whole:
            return None
        all_ids: set[str] = set()
        try:
            # First the queues, then the unacknowledged: the way that messages take.
            async for messages in self._messages(names):
                ids = task_ids_of(messages)
                all_ids.update(ids if among is None else among.intersection(ids))
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error
        return all_ids

    async def find_foreign(self, names: Sequence[str]) -> frozenset[str]:
        keys = [(name, key) for name in names for key in self._layout.lists_of(name)]
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for _, key in keys:
                    pipe.type(key)
                kinds = await pipe.execute()
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error
        return frozenset(name for (name, _), kind in zip(keys, kinds, strict=True) if kind not in (b"none", b"list"))

    async def get_life(self) -> ServerLife:
        try:
            return server_life_of(await self._redis.info("server"))
        except ResponseError as error:
            log.debug("server_life_not_told", error=type(error).__name__)
            return ServerLife(None, None)
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error

    async def ping(self) -> None:
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error

    async def close(self) -> None:
        await self._redis.aclose()

    async def _messages(self, names: Sequence[str]) -> AsyncIterator[list[bytes]]:
        """Portions of messages. Lists are read from the end that grows, so what is added meanwhile hides nothing."""
        for key in (key for name in names for key in self._layout.lists_of(name)):
            async for portion in read_list(self._redis, key):
                yield portion
        for ledger in self._layout.ledgers:
            async for fetched in read_hash(self._redis, ledger.unacked):
                yield [message for _, message in fetched]


def _length(answer: object) -> int:
    """Return the length of a list; a name that is somebody else's key must not hide the depths of all others."""
    if isinstance(answer, Exception) and not is_no_list(answer):
        raise answer
    return answer if isinstance(answer, int) else 0


class _RabbitQueues:
    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._thread = BrokerThread("queues")

    async def depths(self, names: Sequence[str]) -> dict[str, int]:
        return await self._thread.run(self._depths, names, limit_seconds=RABBIT_SECONDS)

    async def ids_in_queues(self, _names: Sequence[str], _among: set[str] | None) -> None:
        return None

    async def find_foreign(self, _names: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def get_life(self) -> ServerLife:
        return ServerLife(None, None)

    async def ping(self) -> None:
        await self._thread.run(self._depths, [], limit_seconds=RABBIT_SECONDS)

    async def close(self) -> None:
        await self._thread.close()

    def _depths(self, names: Sequence[str]) -> dict[str, int]:
        depths = dict.fromkeys(names, 0)
        with connect(self._broker_url) as connection:
            connection.ensure_connection(max_retries=1, timeout=RABBIT_SECONDS)
            for name in filter(can_be_on_rabbit, names):
                # The answer "not found" closes the channel: each queue gets its own.
                channel: Any = connection.channel()
                with closing(channel):
                    try:
                        depths[name] = channel.queue_declare(name, passive=True).message_count
                    except ChannelError as error:
                        # Not found, or somebody's own: an exclusive queue, one without the right to see it.
                        log.debug("queue_not_read", queue=name, error=type(error).__name__)
        return depths


class _Headers(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(max_length=MAX_ID)]


class _Message(msgspec.Struct):
    headers: _Headers


_decode_waiting = msgspec.json.Decoder(_Message).decode
_decode_unacked = msgspec.json.Decoder(tuple[_Message, str, str]).decode


def can_be_on_rabbit(queue_name: str) -> bool:
    """Tell whether RabbitMQ can have a queue of this name; the library would not even ask for any other."""
    return len(queue_name.encode("utf-8", "replace")) <= MAX_RABBIT_NAME_BYTES


def task_ids_of(messages: Iterable[bytes]) -> set[str]:
    """Return the ids of the tasks in these messages, waiting or unacknowledged; only such ids as Postgres can have."""
    ids = set()
    for message in messages:
        try:
            decoded = _decode_unacked(message)[0] if message.startswith(b"[") else _decode_waiting(message)
        except Exception:  # noqa: S112  none of Celery's tasks: control replies, foreign messages, whatever anybody put
            continue
        if "\0" not in decoded.headers.id:
            ids.add(decoded.headers.id)
    return ids
