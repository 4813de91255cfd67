from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from domain.redis_keys import STREAM_KEY
from gateway.connection import redis_client
from gateway.events.backlog import Backlog, read_stream_backlog
from services.resident.counters import CounterName, Counters, read_counters
from tests.patience import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


async def test_all_processes_add_to_the_same_sums_and_tell_the_rest_when_they_end(redis: Redis) -> None:
    assert await read_counters(redis) == dict.fromkeys(CounterName, 0)
    async with Counters(redis) as one, Counters(redis) as other:
        one.add(CounterName.EVENTS_APPLIED, 3)
        one.add(CounterName.DISPATCHED, 1)
        other.add(CounterName.EVENTS_APPLIED, 4)
    assert await read_counters(redis) == dict.fromkeys(CounterName, 0) | {
        CounterName.EVENTS_APPLIED: 7,
        CounterName.DISPATCHED: 1,
    }


async def test_what_redis_does_not_take_is_kept(redis: Redis) -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    async with Counters(nowhere, tell_seconds=0.01) as counting:
        counting.add(CounterName.DISPATCHED, 2)
        counting._redis = redis
        await until(lambda: not counting._untold)
    assert (await read_counters(redis))[CounterName.DISPATCHED] == 2
    await nowhere.aclose()


async def test_the_backlog_is_as_old_as_its_oldest_event(redis: Redis) -> None:
    assert await read_stream_backlog(redis) == Backlog(0, 0.0)
    seconds, _ = await redis.time()
    for age in (30, 10):
        await redis.xadd(STREAM_KEY, {"body": "x"}, id=f"{(seconds - age) * 1000}-0")
    found = await read_stream_backlog(redis)
    assert found.count == 2
    assert found.oldest_seconds == pytest.approx(30, abs=5)
