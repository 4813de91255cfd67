"""What is read at once is bounded by bytes, and nothing is left out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from gateway import portions
from gateway.connection import redis_client
from gateway.portions import read_fields, read_hash, read_list

SMALL, LARGE = b"s" * 10, b"l" * 3_000


@pytest.fixture
async def redis(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    monkeypatch.setattr(portions, "MOST_BYTES", 10_000)
    async with redis_client(broker_url) as redis:
        yield redis


def sizes(read: list[list[bytes]]) -> list[int]:
    return [sum(map(len, portion)) for portion in read]


async def test_a_list_comes_in_portions_of_so_many_bytes_and_in_its_order(redis: Redis) -> None:
    messages = [b"%d-" % n + (LARGE if n % 100 > 80 else SMALL) for n in range(700)]
    await redis.rpush("q", *messages)
    read = [portion async for portion in read_list(redis, "q")]
    assert [message for portion in read for message in portion] == messages
    assert max(sizes(read)) <= 10_000
    assert [m for portion in [p async for p in read_list(redis, "q", most=90)] for m in portion] == messages[:90]


async def test_a_message_that_is_larger_than_a_portion_comes_alone(redis: Redis) -> None:
    messages = [SMALL, b"x" * 50_000, b"y" * 50_000, SMALL]
    await redis.rpush("q", *messages)
    read = [portion async for portion in read_list(redis, "q")]
    assert [len(portion) for portion in read] == [1, 1, 1, 1]
    assert [message for portion in read for message in portion] == messages


async def test_a_hash_comes_in_portions_too_and_what_is_gone_is_left_out(redis: Redis) -> None:
    entries: dict[Any, Any] = {b"%d" % n: LARGE if n % 2 else SMALL for n in range(1_100)}
    await redis.hset("unacked", mapping=entries)
    read = [portion async for portion in read_hash(redis, "unacked")]
    assert dict(pair for portion in read for pair in portion) == entries
    assert max(sizes([[entry for _, entry in portion] for portion in read])) <= 10_000
    assert [portion async for portion in read_fields(redis, "unacked", fields=[b"7", b"gone", b"8"])] == [
        [(b"7", LARGE), (b"8", SMALL)]
    ]


async def test_a_key_of_another_kind_holds_nothing(redis: Redis) -> None:
    await redis.set("text", "1")
    assert [portion async for portion in read_list(redis, "text")] == []
    assert [portion async for portion in read_hash(redis, "text")] == []
    assert [portion async for portion in read_list(redis, "nothing")] == []


async def test_a_server_that_runs_no_script_for_us_is_read_by_few_at_a_time(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise NoPermissionError("no permissions to run the 'eval' command")

    monkeypatch.setattr(redis, "eval", refuse)
    messages = [b"%d" % n for n in range(25)]
    await redis.rpush("q", *messages)
    read = [portion async for portion in read_list(redis, "q")]
    assert [len(portion) for portion in read] == [10, 10, 5]
    assert [message for portion in read for message in portion] == messages
