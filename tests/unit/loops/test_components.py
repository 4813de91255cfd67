"""Since when a component is silent, and what is taken for an outage."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable, Unavailable
from loops import components as module
from loops.components import Components, check_mirror
from services.components import Unwell

SECRET = "redis://:s3cret@h"


class Part:
    """A component that a test makes well or ill."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.silent = False

    async def check(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def parts() -> dict[str, Part]:
    return {"redis": Part(), "broker": Part()}


@pytest.fixture
def components(parts: dict[str, Part]) -> Components:
    return Components({name: part.check for name, part in parts.items()}, deadline_seconds=0.02)


async def look(components: Components) -> dict[str, float]:
    await components.run_once()
    return components.silent()


async def test_while_all_answer_nothing_is_told(components: Components) -> None:
    assert await look(components) == {}


async def test_a_silence_counts_from_the_first_question_without_an_answer(
    components: Components, parts: dict[str, Part], clock: SimpleNamespace
) -> None:
    parts["broker"].error = BrokerUnavailable()
    assert await look(components) == {"broker": 0.0}
    clock.now += 5
    parts["redis"].error = RedisConnectionError()
    assert await look(components) == {"broker": 5.0, "redis": 0.0}


async def test_one_answer_ends_a_silence_and_the_next_begins_anew(
    components: Components, parts: dict[str, Part], clock: SimpleNamespace
) -> None:
    parts["broker"].error = BrokerUnavailable()
    await components.run_once()
    clock.now += 60
    parts["broker"].error = None
    assert await look(components) == {}
    parts["broker"].error = BrokerUnavailable()
    clock.now += 60
    assert await look(components) == {"broker": 0.0}


async def test_what_answers_again_settles_for_a_while(
    components: Components, parts: dict[str, Part], clock: SimpleNamespace
) -> None:
    parts["broker"].error = BrokerUnavailable()
    await look(components)
    assert components.settling() == frozenset()
    parts["broker"].error = None
    await look(components)
    assert components.settling() == {"broker"}
    clock.now += module.SETTLES_SECONDS
    assert components.settling() == frozenset()


@pytest.mark.parametrize(
    "error",
    [Unwell("no worker"), Unavailable(), BrokerUnavailable(), RedisConnectionError(), OSError(), TimeoutError()],
)
async def test_what_says_that_a_component_is_away_is_an_outage(
    components: Components, parts: dict[str, Part], error: Exception
) -> None:
    parts["redis"].error = error
    assert (await look(components)).keys() == {"redis"}


async def test_a_component_that_does_not_answer_in_time_is_silent(
    components: Components, parts: dict[str, Part]
) -> None:
    parts["redis"].silent = True
    assert (await look(components)).keys() == {"redis"}
    await components.close()


async def test_a_fault_of_ours_is_no_outage(components: Components, parts: dict[str, Part]) -> None:
    parts["redis"].error = LookupError("bug")
    with pytest.raises(LookupError):
        await components.run_once()


async def test_a_silence_is_told_at_debug_and_without_an_address(
    components: Components, parts: dict[str, Part]
) -> None:
    parts["redis"].error = RedisConnectionError(SECRET)
    with capture_logs() as logs:
        await components.run_once()
    assert [(event["log_level"], event["error"]) for event in logs] == [("debug", "ConnectionError")]


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [(True, True), (False, False), (RedisConnectionError(), True), (OSError(), True), (TimeoutError(), True)],
)
async def test_a_mirror_is_missing_only_where_redis_says_so(
    monkeypatch: pytest.MonkeyPatch, answer: bool | Exception, is_well: bool
) -> None:
    async def is_alive(*_: Any) -> bool:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(module, "is_alive", is_alive)
    if is_well:
        assert await check_mirror(cast(Redis, None)) is None  # type: ignore[func-returns-value]
        return
    with pytest.raises(Unavailable, match=r"^No mirror gives a sign of life\.$"):
        await check_mirror(cast(Redis, None))
