import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.connection import redis_client
from services import signs_of_life
from services.signs_of_life import SignOfLife, is_alive, key_of
from tests.patience import until


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "RENEW_SECONDS", 0.01)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


async def test_a_mirror_that_goes_round_is_alive_and_its_sign_fades(redis: Redis) -> None:
    assert not await is_alive(redis, "mirror")
    async with SignOfLife(redis, "mirror") as life:
        life.give()
        async with asyncio.timeout(10):
            while not await is_alive(redis, "mirror"):
                pass
        assert 0 < await redis.ttl(key_of("mirror")) <= signs_of_life.FADES_SECONDS


async def test_a_mirror_that_stands_still_renews_nothing(redis: Redis) -> None:
    told = 0

    class Counting(SignOfLife):
        async def _renew(self) -> None:
            nonlocal told
            told += 1

    async with Counting(redis, "mirror") as life:
        for rounds in (1, 2):
            life.give()
            await until(lambda rounds=rounds: told == rounds)
    assert told == 2


async def test_without_redis_the_mirror_goes_on_and_one_line_of_each_kind_says_so() -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    with capture_logs() as logs:
        async with SignOfLife(nowhere, "mirror") as life:
            for _ in range(3):
                life.give()
                await until(lambda: not life._given)
    assert sorted(line["event"] for line in logs) == ["presence_lost", "sign_of_life_not_told"]
    await nowhere.aclose()
