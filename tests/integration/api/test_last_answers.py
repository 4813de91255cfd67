"""Kept answers on a real Valkey: what is found again, and what bounds them."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from structlog.testing import capture_logs

from api.resilience.last_answers import MAX_ANSWER_BYTES, TTL_SECONDS, LastAnswers
from domain.redis_keys import ANSWER_TIMES_KEY, ANSWERS_KEY
from gateway.connection import redis_client
from tests.patience import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


async def remember(answers: LastAnswers, **bodies: bytes) -> None:
    for question, body in bodies.items():
        answers.remember(question, body)
        await answers.write_waiting()


async def found(answers: LastAnswers, *questions: str) -> list[bytes | None]:
    answered = [await answers.find(question) for question in questions]
    return [answer.body if answer else None for answer in answered]


async def kept_bytes(redis: Redis) -> int:
    return sum(len(value) for field, value in (await redis.hgetall(ANSWERS_KEY)).items() if field)


async def test_an_answer_is_found_by_any_process_with_its_age(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await remember(LastAnswers(redis), one=b"[1]", two=b"[2]")
    answer = await LastAnswers(redis).find("one")
    assert answer is not None
    assert (answer.body, 0 <= answer.age_seconds < 5) == (b"[1]", True)
    assert await LastAnswers(redis).find("three") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    later = await LastAnswers(redis).find("one")
    assert later is not None
    assert 55 < later.age_seconds < 65


async def test_the_newest_answer_counts_even_before_it_is_written(redis: Redis) -> None:
    answers = LastAnswers(redis)
    await remember(answers, one=b"old")
    answers.remember("one", b"new")
    assert await found(answers, "one") == [b"new"]
    await answers.write_waiting()
    assert await found(LastAnswers(redis), "one") == [b"new"]


async def test_an_answer_is_found_while_it_is_being_written(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = LastAnswers(redis)
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def held(_pipeline: Pipeline) -> None:
        reached.set()
        await goes_on.wait()

    monkeypatch.setattr(Pipeline, "execute", held)
    answers.remember("one", b"[1]")
    writing = asyncio.create_task(answers.write_waiting())
    await reached.wait()
    assert await found(answers, "one") == [b"[1]"]
    goes_on.set()
    await writing


async def test_an_open_store_writes_by_itself(redis: Redis) -> None:
    async with LastAnswers(redis) as answers:
        answers.remember("one", b"[1]")
        await until(lambda: redis.hlen(ANSWERS_KEY))
    assert await found(LastAnswers(redis), "one") == [b"[1]"]


async def test_what_is_too_large_is_not_kept(redis: Redis) -> None:
    answers = LastAnswers(redis)
    await remember(answers, fits=b"x" * MAX_ANSWER_BYTES, large=b"x" * (MAX_ANSWER_BYTES + 1))
    assert [body is not None for body in await found(answers, "fits", "large")] == [True, False]


async def test_all_together_stay_within_their_bound_and_the_oldest_goes_first(redis: Redis) -> None:
    answers = LastAnswers(redis, max_total_bytes=1_000)
    for number in range(50):
        await remember(answers, **{f"question{number}": b"x" * (50 + number)})
        assert await kept_bytes(redis) <= 1_000
    bodies = await found(answers, *(f"question{number}" for number in range(50)))
    kept = [number for number, body in enumerate(bodies) if body]
    assert kept == list(range(kept[0], 50))
    assert len(kept) > 5
    assert int(await redis.hget(ANSWERS_KEY, "") or 0) == await kept_bytes(redis)


async def test_an_answer_that_is_asked_again_and_again_is_counted_once(redis: Redis) -> None:
    answers = LastAnswers(redis, max_total_bytes=1_000)
    await remember(answers, other=b"kept")
    for number in range(50):
        await remember(answers, one=b"x" * (100 + number))
    assert await found(answers, "other") == [b"kept"]


async def test_an_old_answer_is_none_and_makes_room(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = LastAnswers(redis)
    await remember(answers, one=b"[1]")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + TTL_SECONDS + 1)
    assert await found(answers, "one") == [None]
    await remember(answers, two=b"[2]")
    assert await redis.zcard(ANSWER_TIMES_KEY) == 1
    assert await redis.hlen(ANSWERS_KEY) == 2  # the answer, and the total
    assert 0 < await redis.ttl(ANSWERS_KEY) <= TTL_SECONDS


async def test_half_of_what_was_kept_is_forgotten_with_its_other_half(redis: Redis) -> None:
    answers = LastAnswers(redis, max_total_bytes=1_000)
    await remember(answers, one=b"x" * 900)
    await redis.delete(ANSWER_TIMES_KEY)
    await remember(answers, two=b"x" * 500)
    assert await kept_bytes(redis) <= 1_000
    assert await found(answers, "one") == [None]


async def test_only_so_many_wait_to_be_written(redis: Redis) -> None:
    answers = LastAnswers(redis, max_waiting=2)
    for question in ("one", "two", "three", "two"):
        answers.remember(question, question.encode())
    assert await found(answers, "one", "two", "three") == [b"one", b"two", None]


async def test_without_redis_nothing_is_kept_and_nothing_fails() -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    answers = LastAnswers(nowhere)
    with capture_logs() as logs:
        await remember(answers, one=b"[1]", two=b"[2]")
        assert await found(answers, "one") == [None]
    assert [line["event"] for line in logs] == ["last_answers_not_kept", "last_answer_not_read"]
    await nowhere.aclose()
