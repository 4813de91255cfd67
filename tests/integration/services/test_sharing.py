"""Mirrors find each other in Redis, and deal out the shares among those that work."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.redis_keys import MIRRORS_KEY, SHARE_COUNT_KEY
from domain.shares import MOST_SHARES, Shares
from gateway.connection import redis_client
from services.resident import sharing as sharing_module
from services.resident.sharing import Sharing
from tests.patience import until

OFTEN = 0.01


def sharing(redis: Redis, *, count: int = 4) -> Sharing:
    return Sharing(redis, count=count, works=lambda: True, ask_seconds=OFTEN)


async def test_shares_are_dealt_out_anew_when_a_mirror_comes_and_when_it_leaves(redis_url: str) -> None:
    async with redis_client(redis_url) as redis, sharing(redis) as first:
        assert first.shares == Shares(4, frozenset(range(4)), alone=True)
        async with sharing(redis) as second:
            await until(lambda: len(first.shares.owned) == len(second.shares.owned) == 2)
            assert first.shares.owned | second.shares.owned == set(range(4))
            assert not first.shares.alone
        await until(lambda: first.shares.alone)
        assert await redis.zcard(MIRRORS_KEY) == 1, "who leaves says so"


async def test_one_that_no_longer_works_leaves_its_shares_to_the_others_and_has_them_again(redis_url: str) -> None:
    async with redis_client(redis_url) as redis, sharing(redis) as other:
        works = asyncio.Event()
        async with Sharing(redis, count=4, works=works.is_set, ask_seconds=OFTEN) as hung:
            await until(lambda: not hung.shares.owned)
            assert other.shares.alone
            works.set()
            await until(lambda: len(hung.shares.owned) == len(other.shares.owned) == 2)


async def test_one_that_was_killed_is_gone_after_a_while(redis_url: str) -> None:
    async with redis_client(redis_url) as redis:
        seconds, _ = await redis.time()
        times = {"killed": seconds * 1000 - 4_000, "long-killed": 0, "of-another-server": seconds * 1000 + 10**9}
        await redis.zadd(MIRRORS_KEY, times)
        async with sharing(redis) as left:
            assert len(left.shares.owned) == 2
            await until(lambda: left.shares.alone)


async def test_all_agree_on_the_largest_number_of_shares(redis_url: str) -> None:
    async with redis_client(redis_url) as redis, AsyncExitStack() as stack:
        few = await stack.enter_async_context(sharing(redis, count=2))
        many = await stack.enter_async_context(sharing(redis, count=8))
        await until(lambda: few.shares.count == many.shares.count == 8)
        await until(lambda: len(few.shares.owned) == 4)


@pytest.mark.parametrize(("stored", "count"), [("x", 2), ("-3", 2), ("1e9", MOST_SHARES), ("", 2)])
async def test_whatever_number_is_stored_there_are_sane_many(stored: str, count: int, redis_url: str) -> None:
    async with redis_client(redis_url) as redis:
        await redis.set(SHARE_COUNT_KEY, stored)
        async with sharing(redis, count=2) as found:
            assert found.shares.count == count


async def test_without_redis_each_writes_all_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "GONE_SECONDS", 0.0)
    nowhere = redis_client("redis://127.0.0.1:1/0")
    with capture_logs() as logs:
        async with sharing(nowhere) as cut_off:
            cut_off.shares = Shares(4, frozenset({1}), alone=False)
            await until(lambda: cut_off.shares.alone)
            assert cut_off.shares.owned == set(range(4))
    await nowhere.aclose()
    told = [line["event"] for line in logs]
    assert told.count("mirrors_not_met") == 2, "once, and once that it could not say goodbye"
