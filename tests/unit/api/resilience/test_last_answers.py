"""What is remembered and found while Redis answers, is slow or is away; what Redis itself forgets is in the integration
tests.
"""

import asyncio
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from api.resilience import last_answers as module
from api.resilience.last_answers import MAX_ANSWER_BYTES, TTL_SECONDS, LastAnswers
from domain.redis_keys import ANSWER_TIMES_KEY, ANSWERS_KEY
from tests.patience import until

SECRET = "redis://:s3cret@h"


class FakeRedis:
    """A hash, and how it fails; `written` are the calls of the script that were carried out."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.written: list[tuple[list[str], list[Any]]] = []
        self._queued: list[tuple[list[str], list[Any]]] = []
        self.error: Exception | None = None
        self.may_execute = asyncio.Event()
        self.may_execute.set()
        self.executions = 0

    def register_script(self, _: str) -> Any:
        async def keep(*, keys: list[str], args: list[Any], client: Any) -> None:
            assert client is self
            self._queued.append((keys, args))

        return keep

    def pipeline(self, *, transaction: bool) -> Self:
        assert not transaction
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._queued = []

    async def execute(self) -> None:
        self.executions += 1
        await self.may_execute.wait()
        if self.error:
            raise self.error
        for keys, args in self._queued:
            self.written.append((keys, args))
            self.stored[args[0]] = args[1]

    async def hget(self, key: str, field: bytes) -> bytes | None:
        assert key == ANSWERS_KEY
        await self.may_execute.wait()
        if self.error:
            raise self.error
        return self.stored.get(field)


@pytest.fixture
async def redis() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
async def answers(redis: FakeRedis) -> LastAnswers:
    return answers_of(redis)


def answers_of(redis: FakeRedis, **options: Any) -> LastAnswers:
    return LastAnswers(cast(Redis, redis), **options)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


async def body_of(answers: LastAnswers, question: str) -> bytes | None:
    found = await answers.find(question)
    return found.body if found else None


async def test_an_answer_is_found_before_while_and_after_it_is_written(redis: FakeRedis, answers: LastAnswers) -> None:
    answers.remember("q", b"[1]")
    assert await body_of(answers, "q") == b"[1]"
    redis.may_execute.clear()
    writing = asyncio.ensure_future(answers.write_waiting())
    await until(lambda: redis.executions == 1)
    assert await body_of(answers, "q") == b"[1]"
    redis.may_execute.set()
    await writing
    assert await body_of(answers_of(redis), "q") == b"[1]"


async def test_all_that_waits_is_written_in_one_round_trip_with_its_bounds(
    redis: FakeRedis, clock: SimpleNamespace
) -> None:
    answers = answers_of(redis, max_total_bytes=1_234)
    for number in range(3):
        answers.remember(f"q{number}", b"{}")
    await answers.write_waiting()
    assert redis.executions == 1
    keys, (field, stored, now, ttl, most) = redis.written[0]
    assert keys == [ANSWERS_KEY, ANSWER_TIMES_KEY]
    assert (stored, now, ttl, most) == (b"1000000.000 {}", 1_000_000.0, TTL_SECONDS, 1_234)
    assert len({args[0] for _, args in redis.written}) == 3
    assert len(field) == 20


async def test_a_question_of_any_length_has_a_short_name(redis: FakeRedis, answers: LastAnswers) -> None:
    answers.remember("q" * 100_000, b"{}")
    answers.remember("ä\x00\u2028", b"[]")
    await answers.write_waiting()
    assert {len(args[0]) for _, args in redis.written} == {20}


async def test_only_the_newest_answer_to_a_question_is_written(redis: FakeRedis, answers: LastAnswers) -> None:
    answers.remember("q", b"old")
    answers.remember("q", b"new")
    await answers.write_waiting()
    assert [args[1].partition(b" ")[2] for _, args in redis.written] == [b"new"]


@pytest.mark.parametrize(("size", "found"), [(MAX_ANSWER_BYTES, True), (MAX_ANSWER_BYTES + 1, False)])
async def test_an_answer_may_be_64_kib_and_no_larger(answers: LastAnswers, size: int, found: bool) -> None:
    answers.remember("q", b"x" * size)
    assert (await answers.find("q") is not None) is found


async def test_an_answer_too_large_leaves_the_one_before_in_its_place(answers: LastAnswers) -> None:
    answers.remember("q", b"small")
    answers.remember("q", b"x" * (MAX_ANSWER_BYTES + 1))
    assert await body_of(answers, "q") == b"small"


async def test_where_too_many_wait_new_questions_are_not_kept_and_old_ones_are_renewed(redis: FakeRedis) -> None:
    answers = answers_of(redis, max_waiting=2)
    for question in ("a", "b", "c"):
        answers.remember(question, b"1")
    answers.remember("a", b"2")
    found = [await body_of(answers, question) for question in ("a", "b", "c")]
    assert found == [b"2", b"1", None]
    await answers.write_waiting()
    answers.remember("c", b"1")
    assert await body_of(answers, "c") == b"1"


@pytest.mark.parametrize(("age", "found"), [(0, True), (TTL_SECONDS, True), (TTL_SECONDS + 1, False)])
async def test_an_answer_is_shown_for_ten_minutes(
    redis: FakeRedis, answers: LastAnswers, clock: SimpleNamespace, age: int, found: bool
) -> None:
    answers.remember("q", b"[1]")
    await answers.write_waiting()
    clock.now += age
    answer = await answers.find("q")
    assert (answer is not None) is found
    assert answer is None or answer.age_seconds == age


async def test_an_answer_of_a_process_whose_clock_goes_before_ours_has_no_age(
    answers: LastAnswers, clock: SimpleNamespace
) -> None:
    answers.remember("q", b"[1]")
    clock.now -= 30
    answer = await answers.find("q")
    assert answer is not None
    assert answer.age_seconds == 0


async def test_a_body_with_spaces_comes_back_as_it_was(redis: FakeRedis, answers: LastAnswers) -> None:
    answers.remember("q", b' {"a": "b c"} ')
    await answers.write_waiting()
    assert await body_of(answers, "q") == b' {"a": "b c"} '


@pytest.mark.parametrize(
    "error", [RedisConnectionError(SECRET), ResponseError(SECRET), OSError(SECRET), TimeoutError()]
)
async def test_while_redis_is_away_nothing_is_found_and_one_line_tells_of_each_question(
    redis: FakeRedis, answers: LastAnswers, error: Exception
) -> None:
    redis.error = error
    with capture_logs() as logs:
        assert await answers.find("q") is None
    assert logs == [{"event": "last_answer_not_read", "log_level": "warning", "error": type(error).__name__}]


async def test_what_waits_to_be_written_is_found_while_redis_is_away(redis: FakeRedis, answers: LastAnswers) -> None:
    redis.error = RedisConnectionError()
    answers.remember("q", b"[1]")
    assert await body_of(answers, "q") == b"[1]"


async def test_what_redis_does_not_take_is_dropped_and_an_outage_is_one_log_line(
    redis: FakeRedis, answers: LastAnswers
) -> None:
    redis.error = RedisConnectionError(SECRET)
    with capture_logs() as logs:
        for _ in range(3):
            answers.remember("q", b"[1]")
            await answers.write_waiting()
    redis.error = None
    assert logs == [
        {"event": "last_answers_not_kept", "log_level": "warning", "error": "ConnectionError"},
    ]
    assert await answers.find("q") is None


async def test_the_next_outage_is_told_again(redis: FakeRedis, answers: LastAnswers) -> None:
    with capture_logs() as logs:
        for error in (RedisConnectionError(), None, RedisConnectionError()):
            redis.error = error
            answers.remember("q", b"[1]")
            await answers.write_waiting()
    assert [event["event"] for event in logs] == ["last_answers_not_kept"] * 2


async def test_a_redis_that_does_not_answer_is_given_up(
    redis: FakeRedis, answers: LastAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.01)
    redis.may_execute.clear()
    answers.remember("q", b"[1]")
    with capture_logs() as logs:
        await answers.write_waiting()
        assert await answers.find("q") is None
    assert [(event["event"], event["error"]) for event in logs] == [
        ("last_answers_not_kept", "TimeoutError"),
        ("last_answer_not_read", "TimeoutError"),
    ]


async def test_what_is_remembered_is_written_soon_and_at_the_end_nothing_works_on(
    redis: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.0)
    before = len(asyncio.all_tasks())
    async with answers_of(redis) as answers:
        answers.remember("a", b"1")
        await until(lambda: len(redis.written) == 1)
        answers.remember("b", b"2")
        await until(lambda: len(redis.written) == 2)
        assert redis.executions == 2
    assert len(asyncio.all_tasks()) == before
