"""The word that an API is open, on a Redis that answers as the test says."""

from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.redis_keys import OPEN_ACCESS_KEY
from services.resident.open_access import FADES_SECONDS, OpenAccess, list_open_hosts
from tests.fakes.scripted_redis import ScriptedRedis
from tests.patience import until


def redis_that(**answers: Any) -> tuple[ScriptedRedis, Redis]:
    """Return the scripted client twice: as it is, and as what is asked takes it."""
    scripted = ScriptedRedis(**answers)
    return scripted, cast(Redis, scripted)


async def test_the_word_is_renewed_only_while_the_door_is_open_and_outlives_a_silent_redis() -> None:
    told: list[tuple[Any, ...]] = []
    doors = iter((True, False, True))
    is_over = False

    def is_open() -> bool:
        nonlocal is_over
        answer = next(doors, None)
        is_over = answer is None
        return bool(answer)

    def keep(*args: Any, ex: int) -> Exception | None:
        told.append((*args, ex))
        return RedisConnectionError("away") if len(told) == 1 else None

    _, redis = redis_that(set=keep)

    async def seen() -> bool:
        return is_over

    async with OpenAccess(redis, is_open, host="0.0.0.0", renew_seconds=0.001):
        await until(seen)
    assert told == [(OPEN_ACCESS_KEY, "0.0.0.0", FADES_SECONDS)] * 2


@pytest.mark.parametrize(
    ("answer", "hosts"),
    [(None, ()), (b"0.0.0.0", ("0.0.0.0",)), (RedisConnectionError("away"), None), (OSError(), None)],
)
async def test_what_redis_does_not_say_is_not_taken_for_a_closed_door(answer: Any, hosts: Any) -> None:
    _, redis = redis_that(get=answer)
    assert await list_open_hosts(redis) == hosts
