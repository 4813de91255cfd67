"""The whole mirror beside somebody who writes the worst to the broker: what is sound goes on being stored."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import amqp
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.rabbitmq import rabbitmq
from domain.degradation import MIRROR
from domain.redis_keys import STREAM_KEY
from gateway.connection import connect, redis_client
from gateway.events.rabbit import DURABLE_QUEUE
from gateway.events.sources import EVENT_EXCHANGE
from mirror.main import run
from services.resident.counters import CounterName, read_counters
from services.resident.signs_of_life import is_alive
from settings import Settings
from store.tables.tasks import gaps, tasks
from store.tables.workers import workers
from tests.hostile_events import WORST, envelope, forged
from tests.integration.mirror.messages import NODE
from tests.patience import until
from tests.rabbitmq import needs_rabbitmq

Send = Callable[[bytes], Awaitable[object]]


def sound(task_id: str) -> bytes:
    return forged(uuid=task_id, hostname=NODE, timestamp=time.time())


@asynccontextmanager
async def mirroring(settings: Settings, engine: AsyncEngine) -> AsyncIterator["asyncio.Task[None]"]:
    """The mirror, ready: both its ways in are heard."""
    stopping = asyncio.Event()
    mirror = asyncio.create_task(run(settings, stopping))
    try:
        async with redis_client(settings.redis_url or "") as redis:

            async def is_ready() -> bool:
                assert not mirror.done()
                return await is_alive(redis, MIRROR)

            await until(is_ready)
        yield mirror
    finally:
        stopping.set()
        await mirror


async def stored(engine: AsyncEngine, task_id: str, *, mirror: "asyncio.Task[None]") -> None:
    """Returns when the task is there."""

    async def is_there() -> bool:
        assert not mirror.done()
        async with engine.connect() as connection:
            found = await connection.execute(select(tasks.c.task_id).where(tasks.c.task_id == task_id))
            return found.first() is not None

    await until(is_there)


def listeners() -> set[int]:
    return {thread.native_id or 0 for thread in threading.enumerate() if thread.name == "gateway-events"}


async def assert_unharmed(engine: AsyncEngine, redis: Redis, *, before: set[int]) -> None:
    """The same threads, no blind stretch but those of the start, what was skipped is counted, nothing of tomorrow."""
    assert listeners() == before
    async with engine.connect() as connection:
        blind = await connection.execute(select(func.count()).select_from(gaps))
        assert blind.scalar_one() == 0
        for column in (tasks.c.created_at, tasks.c.started_at, workers.c.last_event_at, workers.c.goodbye_at):
            ahead = select(func.count()).where(column > func.now() + func.make_interval(0, 0, 0, 0, 0, 1))
            assert (await connection.execute(ahead)).scalar_one() == 0

    async def are_counted() -> bool:
        return (await read_counters(redis))[CounterName.EVENTS_REFUSED] >= len(WORST) // 2

    await until(are_counted)


async def test_after_each_hostile_message_on_redis_a_sound_one_is_stored_by_the_same_mirror(
    engine: AsyncEngine, database_url: str, broker_url: str, result_url: str, redis_url: str
) -> None:
    settings = Settings(database_url=database_url, broker_url=broker_url, result_url=result_url, redis_url=redis_url)
    async with (
        mirroring(settings, engine) as mirror,
        redis_client(broker_url) as broker,
        redis_client(redis_url) as redis,
    ):
        before = listeners()
        assert len(before) == 2
        for nth, (name, body) in enumerate(WORST.items()):
            task_ids = f"fanout-{nth}", f"stream-{nth}"
            for hostile in (envelope(body), body, b'{"headers": ' + (body or b"0") + b"}"):
                await broker.publish(f"/0.{EVENT_EXCHANGE}/x", hostile)
            await broker.publish(f"/0.{EVENT_EXCHANGE}/task.started", envelope(sound(task_ids[0])))
            # Ids beyond the calendar come in between, and all later ones follow them.
            with suppress(ResponseError):
                await redis.xadd(STREAM_KEY, {"body": body}, id=f"{3 * 10**14 + nth}-0" if nth % 5 == 2 else "*")
            await redis.xadd(STREAM_KEY, {"body": sound(task_ids[1])})
            for task_id in task_ids:
                try:
                    await stored(engine, task_id, mirror=mirror)
                except TimeoutError:
                    pytest.fail(f"after {name} nothing is heard")
        await assert_unharmed(engine, redis, before=before)


@needs_rabbitmq
async def test_after_each_hostile_message_on_rabbitmq_a_sound_one_is_stored_by_the_same_mirror(
    engine: AsyncEngine, database_url: str, result_url: str, redis_url: str, tmp_path: Path
) -> None:
    with rabbitmq(tmp_path) as amqp_url:
        settings = Settings(database_url=database_url, broker_url=amqp_url, result_url=result_url, redis_url=redis_url)
        async with mirroring(settings, engine) as mirror, redis_client(redis_url) as redis:
            before = listeners()
            for nth, (name, body) in enumerate(WORST.items()):
                await asyncio.to_thread(_publish, amqp_url, [*_disguised(body), amqp.Message(sound(f"rabbit-{nth}"))])
                try:
                    await stored(engine, f"rabbit-{nth}", mirror=mirror)
                except TimeoutError:
                    pytest.fail(f"after {name} nothing is heard")
            await assert_unharmed(engine, redis, before=before)
            assert await asyncio.to_thread(_waiting, amqp_url) == 0


def _disguised(body: bytes) -> list[amqp.Message]:
    """With properties that lie about it, and headers that py-amqp cannot read."""
    beyond_time = b"\x04when" + b"T" + (2**63).to_bytes(8, "big")
    return [
        amqp.Message(body),
        amqp.Message(body, content_type="application/x-python-serialize", content_encoding="binary"),
        amqp.Message(body, content_type="application/json", content_encoding="punycode"),
        amqp.Message(body, content_encoding="zlib", application_headers={"compression": "application/x-bz2"}),
        _RawHeaders(body, beyond_time),
    ]


class _RawHeaders(amqp.Message):
    """A message whose table of headers is written as it stands."""

    def __init__(self, body: bytes, table: bytes) -> None:
        super().__init__(body)
        self._table = table

    def _serialize_properties(self) -> bytes:
        return (1 << 13).to_bytes(2, "big") + len(self._table).to_bytes(4, "big") + self._table


def _publish(amqp_url: str, messages: list[amqp.Message]) -> None:
    with connect(amqp_url) as connection:
        channel: Any = connection.default_channel
        for message in messages:
            channel.basic_publish(message, exchange=EVENT_EXCHANGE, routing_key="task.started")


def _waiting(amqp_url: str) -> int:
    with connect(amqp_url) as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_declare(DURABLE_QUEUE, passive=True).message_count)
