"""Marks on a real Valkey, and without one."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.audit import Author
from domain.degradation import BROKER, Mark, Strategy
from domain.errors import ServiceDegraded, Unavailable
from domain.health import DATABASE
from domain.redis_keys import MARK_SIGNATURES_KEY, MARKS_KEY
from gateway.connection import redis_client
from services.resident.degradation import MAX_DURATION_SECONDS, DegradationMarks, refuse_degraded
from tests.patience import until

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    yield client
    await client.aclose()


OTHER_PROCESS = """
import asyncio, json, sys
from gateway.connection import redis_client
from services.resident.degradation import DegradationMarks

async def main():
    async with DegradationMarks(redis_client(sys.argv[1])) as marks:
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(sorted(await marks.fresh())), flush=True)

asyncio.run(main())
"""


@contextmanager
def other_process(redis_url: str) -> Iterator[Callable[[], list[str]]]:
    """Asks another process for the services that it takes for marked."""
    command = [sys.executable, "-c", OTHER_PROCESS, redis_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask() -> list[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            marked: list[str] = json.loads(process.stdout.readline())
            return marked

        ask()
        yield ask
        process.stdin.close()


async def test_when_a_mark_or_its_end_is_answered_another_process_goes_by_it(redis: Redis, redis_url: str) -> None:
    with other_process(redis_url) as ask:
        async with DegradationMarks(redis) as marks:
            for _ in range(3):
                await marks.set("queue:a", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
                assert ask() == ["queue:a"]
                await marks.clear("queue:a")
                assert ask() == []


async def test_a_process_that_has_not_come_round_to_reading_the_marks_reads_them_before_it_goes_by_them(
    redis: Redis,
) -> None:
    async with DegradationMarks(redis) as here, DegradationMarks(redis, refresh_seconds=3600) as busy:
        await here.set("queue:a", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        assert (await busy.fresh()).keys() == {"queue:a"}


async def test_a_mark_is_known_at_once_here_and_soon_elsewhere(redis: Redis) -> None:
    async with DegradationMarks(redis) as here, DegradationMarks(redis) as elsewhere:
        before = datetime.now(UTC)
        ends = await here.set(DATABASE, Strategy.RETURN_CACHED, duration=FIVE_MINUTES)
        assert before + FIVE_MINUTES <= ends <= datetime.now(UTC) + FIVE_MINUTES
        assert here.current() == {DATABASE: Mark(DATABASE, Strategy.RETURN_CACHED, ends)}

        async def is_known_there() -> bool:
            return await elsewhere.fresh() == here.current()

        await until(is_known_there)


async def test_a_new_mark_replaces_the_former_one_of_its_service(redis: Redis) -> None:
    async with DegradationMarks(redis) as marks:
        await marks.set("queue:a", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        await marks.set("queue:a", Strategy.FAIL_FAST, duration=FIVE_MINUTES)
        assert [mark.strategy for mark in marks.current().values()] == [Strategy.FAIL_FAST]


async def test_clearing_ends_a_mark_and_tells_whether_there_was_one(redis: Redis) -> None:
    async with DegradationMarks(redis) as marks:
        await marks.set(BROKER, Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        assert await marks.clear(BROKER) is True
        assert await marks.clear(BROKER) is False
        assert marks.current() == {}


async def test_what_another_process_has_cleared_is_not_cleared_again(redis: Redis) -> None:
    async with DegradationMarks(redis) as elsewhere, DegradationMarks(redis, refresh_seconds=3600) as resting:
        await elsewhere.set(BROKER, Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        await resting.refresh()
        await elsewhere.clear(BROKER)
        assert await resting.clear(BROKER) is False


async def test_a_mark_tells_every_process_who_set_it_when_and_why(redis: Redis) -> None:
    ann = Author("api_key", "k1", "ann", reason="the bank is down")
    async with DegradationMarks(redis) as here, DegradationMarks(redis, refresh_seconds=3600) as elsewhere:
        before = datetime.now(UTC)
        await here.set("queue:a", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES, author=ann)
        signature = (await elsewhere.fresh())["queue:a"].signature
        assert signature is not None
        assert before <= signature.at <= datetime.now(UTC)
        assert (signature.by, signature.name, signature.reason) == ("api_key:k1", "ann", "the bank is down")
        await here.clear("queue:a")
        assert await redis.hlen(MARK_SIGNATURES_KEY) == 0


async def test_a_mark_that_an_older_version_set_is_not_said_to_be_of_who_marked_the_service_before(
    redis: Redis,
) -> None:
    async with DegradationMarks(redis, refresh_seconds=3600) as marks:
        await marks.set("queue:a", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES, author=Author("api_key", "k1", "ann"))
        await redis.hset(MARKS_KEY, "queue:a", '["queue_only", "2100-01-01T00:00:00Z"]')
        await marks.refresh()
        assert marks.current()["queue:a"].signature is None
        await redis.hset(MARK_SIGNATURES_KEY, "queue:a", "no json")
        await marks.refresh()
        assert marks.current()["queue:a"].signature is None


async def test_a_mark_ends_by_itself_and_redis_forgets_it(redis: Redis) -> None:
    async with DegradationMarks(redis) as marks:
        await marks.set(BROKER, Strategy.QUEUE_ONLY, duration=timedelta(milliseconds=50))
        await until(lambda: marks.current() == {})
        assert 0 < await redis.ttl(MARKS_KEY) <= MAX_DURATION_SECONDS
        await marks.set(DATABASE, Strategy.FAIL_FAST, duration=FIVE_MINUTES)
        assert await redis.hkeys(MARKS_KEY) == [DATABASE.encode()]


async def test_there_are_only_so_many_marks(redis: Redis) -> None:
    async with DegradationMarks(redis, max_marks=2) as marks:
        for name in ("queue:a", "queue:b", "queue:b"):
            await marks.set(name, Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        with pytest.raises(Unavailable):
            await marks.set("queue:c", Strategy.QUEUE_ONLY, duration=FIVE_MINUTES)
        assert marks.current().keys() == {"queue:a", "queue:b"}


async def test_without_redis_nothing_is_marked_and_one_line_says_so() -> None:
    nowhere = redis_client("redis://127.0.0.1:1/2")
    with capture_logs() as logs:
        async with DegradationMarks(nowhere) as marks:
            await marks.refresh()
            assert marks.current() == {}
            with pytest.raises(Unavailable):
                await marks.set(DATABASE, Strategy.FAIL_FAST, duration=FIVE_MINUTES)
            with pytest.raises(Unavailable):
                await marks.clear(DATABASE)
    assert [line["event"] for line in logs] == ["degradation_marks_unknown"]
    await nowhere.aclose()


async def test_work_for_a_queue_marked_to_fail_is_refused_with_the_reason(redis: Redis) -> None:
    async with DegradationMarks(redis) as marks:
        ends = await marks.set("queue:emails", Strategy.FAIL_FAST, duration=FIVE_MINUTES)
        with pytest.raises(ServiceDegraded) as refused:
            refuse_degraded(marks.current(), queue_name="emails", task_name="send")
        refuse_degraded(marks.current(), queue_name="celery", task_name="send")
    assert "queue:emails" in refused.value.detail
    assert f"{ends:%H:%M:%SZ}" in refused.value.detail


async def test_marks_that_none_of_us_has_written_hide_no_others_and_stop_nobody(
    redis: Redis,
) -> None:
    until_then = b'"2100-01-01T00:00:00Z"'
    strange: dict[str | bytes, bytes] = {
        "broker": b"no json",
        "mirror": b'["fail_fast"]',
        "workers": b'["no_such_strategy", %s]' % until_then,
        "result_backend": b'["fail_fast", "2100-01-01T00:00:00"]',
        b"queue:\xff": b'["fail_fast", %s]' % until_then,
        "task:deep": b"[" * 100_000,
    }
    for name, value in strange.items():
        await redis.hset(MARKS_KEY, name, value)
    async with DegradationMarks(redis, refresh_seconds=0.01) as marks:
        assert marks.current() == {}
        await redis.hset(MARKS_KEY, DATABASE, b'["fail_fast", %s]' % until_then)

        async def are_known() -> bool:
            return (await marks.fresh()).keys() == {DATABASE}

        await until(are_known)
