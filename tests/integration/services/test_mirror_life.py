import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.connection import redis_client
from services import mirror_life
from services.mirror_life import KEY, SignOfLife, is_mirror_alive
from tests.patience import until


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_life, "RENEW_SECONDS", 0.01)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


async def test_a_mirror_that_goes_round_is_alive_and_its_sign_fades(redis: Redis) -> None:
    assert not await is_mirror_alive(redis)
    async with SignOfLife(redis) as life:
        life.give()
        async with asyncio.timeout(10):
            while not await is_mirror_alive(redis):
                pass
        assert 0 < await redis.ttl(KEY) <= mirror_life.FADES_SECONDS


async def test_a_mirror_that_stands_still_renews_nothing(redis: Redis) -> None:
    told = 0

    class Counting(SignOfLife):
        async def _renew(self) -> None:
            nonlocal told
            told += 1

    async with Counting(redis) as life:
        for rounds in (1, 2):
            life.give()
            await until(lambda rounds=rounds: told == rounds)
    assert told == 2


async def test_without_redis_the_mirror_goes_on_and_one_line_says_so() -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    with capture_logs() as logs:
        async with SignOfLife(nowhere) as life:
            for _ in range(3):
                life.give()
                await until(lambda: not life._given)
    assert [line["event"] for line in logs] == ["sign_of_life_not_told"]
    await nowhere.aclose()
