"""Signs of life on a real Valkey, and without one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from background import end
from domain.redis_keys import LIVES_KEY, process_key
from gateway.connection import redis_client
from services.resident import signs_of_life
from services.resident.signs_of_life import SignOfLife, is_alive, list_lives
from tests.patience import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


async def test_a_mirror_that_goes_round_is_alive_and_its_sign_fades(redis: Redis) -> None:
    assert not await is_alive(redis, "mirror")
    async with SignOfLife(redis, "mirror", renew_seconds=0.01) as life:
        life.give()
        await until(lambda: is_alive(redis, "mirror"))
        assert 0 < await redis.ttl(process_key("mirror")) <= signs_of_life.FADES_SECONDS


async def test_a_mirror_that_stands_still_renews_nothing(redis: Redis) -> None:
    told = 0

    class Counting(SignOfLife):
        async def _renew(self) -> None:
            nonlocal told
            told += 1

    async with Counting(redis, "mirror", renew_seconds=0.01) as life:
        for rounds in (1, 2):
            life.give()
            await until(lambda: told == rounds)  # noqa: B023
    assert told == 2


async def test_without_redis_the_mirror_goes_on_and_one_line_of_each_kind_says_so() -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    with capture_logs() as logs:
        async with SignOfLife(nowhere, "mirror", renew_seconds=0.01) as life:
            for _ in range(3):
                life.give()
                await until(lambda: not life._given)
    assert sorted(line["event"] for line in logs) == ["presence_lost", "sign_of_life_not_told"]
    await nowhere.aclose()


async def test_a_process_that_is_gone_is_missed_at_once_though_its_key_has_not_faded(redis: Redis) -> None:
    async with process(redis, "mirror") as life:
        await until(lambda: life.present_since)
        await told(redis, "mirror")
        await cut_off(life)
        await until(lambda: is_missed(redis, "mirror"))
        assert await redis.ttl(process_key("mirror")) > 0


async def test_where_redis_permits_no_subscription_the_key_alone_tells(redis: Redis) -> None:
    await redis.acl_setuser(
        "nochannels", enabled=True, nopass=True, categories=["+@all"], keys=["*"], reset_channels=True
    )
    url = f"redis://nochannels:any@{redis.connection_pool.connection_kwargs['host']}:"
    url += f"{redis.connection_pool.connection_kwargs['port']}/2"
    barred = redis_client(url)
    with capture_logs() as logs:
        async with process(barred, "mirror"):
            await told(redis, "mirror")
            await until(lambda: logs)
            assert await is_alive(redis, "mirror")
    assert {line["event"] for line in logs} == {"presence_lost"}
    await barred.aclose()
    await redis.acl_deluser("nochannels")


async def test_a_subscription_that_is_lost_is_made_anew(redis: Redis) -> None:
    async with process(redis, "mirror", reconnect_seconds=0.01) as life:
        await until(lambda: life.present_since)
        before = life.present_since
        await redis.client_kill_filter(_type="pubsub")
        await until(lambda: life.present_since not in (None, before))
        await told(redis, "mirror")
        assert await is_alive(redis, "mirror")


async def test_a_life_that_ends_in_order_is_forgotten_and_one_that_fails_is_not(redis: Redis) -> None:
    async with process(redis, "loops") as life:
        await until(lambda: life.present_since)
        await until_lives(redis, {True})
    assert await list_lives(redis) == {}
    with pytest.raises(KeyError):
        await fail(redis)
    await until_lives(redis, {False})


async def test_lives_that_nobody_looks_at_do_not_pile_up(redis: Redis) -> None:
    for number in range(3):
        await redis.hset(LIVES_KEY, f"mirror:{number}", "then")
    async with process(redis, "mirror", most_lives=3) as life:
        await until(lambda: life.present_since)
        await until_lives(redis, {True})


async def test_what_was_promised_holds_for_so_long_and_no_longer(redis: Redis) -> None:
    renewed = 0

    class Counting(SignOfLife):
        async def _renew(self) -> None:
            nonlocal renewed
            renewed += 1

    async with Counting(redis, "loops", parts=2) as life:
        life.promise("quick", 60)
        life.promise("slow", 60)
        await until(lambda: renewed > 3)
        life.promise("slow", -1)
        renewed = 0
        life.promise("quick", 60)
        await asyncio.sleep(0.1)
        assert renewed == 0
        life.promise("slow", 60)
        await until(lambda: renewed)


async def fail(redis: Redis) -> None:
    async with process(redis, "loops") as life:
        await until(lambda: life.present_since)
        await until_lives(redis, {True})
        raise KeyError


@asynccontextmanager
async def process(redis: Redis, kind: str, **options: Any) -> AsyncIterator[SignOfLife]:
    """A process of one part, which comes round."""
    async with SignOfLife(redis, kind, parts=0, renew_seconds=0.01, **options) as life:
        yield life


async def is_missed(redis: Redis, kind: str) -> bool:
    return not await is_alive(redis, kind)


async def told(redis: Redis, kind: str) -> None:
    """Returns when the key has been written after this call."""
    await redis.delete(process_key(kind))
    await until(lambda: redis.exists(process_key(kind)))


async def cut_off(life: SignOfLife) -> None:
    """What the kernel does to the connections of a process that is gone, its sign of life with it.

    By `end`: a single cancel may be lost in redis-py, and the sign of life then went on for ever.
    """
    await end(*life._tasks)


async def until_lives(redis: Redis, there: set[bool]) -> None:
    async def are_so() -> bool:
        return set((await list_lives(redis)).values()) == there

    await until(are_so)
