"""When a process counts as ended, and when that is forgotten; Redis is a dictionary, the clock a number."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from loops import process_lives as module
from loops.process_lives import RESUBSCRIBE_SECONDS, ROUND_SECONDS, LivesRound


class World:
    """Lives, as Redis tells of them, and a round that has been known to Redis for long."""

    def __init__(self) -> None:
        self.lives: dict[str, bool] = {"mirror:1": True, "loops:1": True}
        self.error: Exception | None = None
        self.now = 1_000.0
        self.present_since: float | None = 0.0
        self.forgotten: list[str] = []
        self.round = LivesRound(cast(Redis, None), lambda: self.present_since)

    async def list_lives(self, _: Any, *, known: Collection[str]) -> dict[str, bool]:
        if self.error:
            raise self.error
        return dict(self.lives)

    async def forget_lives(self, _: Any, lives: Collection[str]) -> None:
        if self.error:
            raise self.error
        self.forgotten += lives
        for life in lives:
            self.lives.pop(life, None)

    async def look(self, *, times: int = 1) -> dict[str, float]:
        for _ in range(times):
            assert await self.round.run_once() == ROUND_SECONDS
        return dict(self.round.ended())


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "list_lives", world.list_lives)
    monkeypatch.setattr(module, "forget_lives", world.forget_lives)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.now))
    return world


async def test_while_all_are_there_none_has_ended(world: World) -> None:
    assert await world.look(times=3) == {}


async def test_a_life_that_two_looks_in_a_row_have_missed_has_ended(world: World) -> None:
    world.lives["mirror:1"] = False
    assert await world.look() == {}
    with capture_logs() as logs:
        assert await world.look() == {"mirror": 0.0}
        world.now += 7
        assert await world.look() == {"mirror": 7.0}
    assert logs == [{"event": "process_ended_unasked", "log_level": "warning", "process": "mirror"}]


async def test_a_life_that_was_there_in_between_has_not(world: World) -> None:
    for is_there in (False, True, False):
        world.lives["mirror:1"] = is_there
        assert await world.look() == {}


async def test_of_those_that_have_ended_the_first_counts(world: World) -> None:
    others = [f"mirror:{number}" for number in range(2, 10)]
    world.lives |= {"mirror:1": False} | dict.fromkeys(others, True)
    await world.look(times=2)
    world.now += 5
    world.lives |= dict.fromkeys(others, False)
    assert await world.look(times=2) == {"mirror": 5.0}


@pytest.mark.parametrize("error", [RedisConnectionError("redis://:s3cret@h"), OSError(), TimeoutError()])
async def test_while_redis_is_away_nobody_is_missed_and_looks_begin_anew(world: World, error: Exception) -> None:
    world.lives["mirror:1"] = False
    await world.look()
    world.error = error
    with capture_logs() as logs:
        assert await world.look() == {}
    assert [(event["log_level"], event["error"]) for event in logs] == [("debug", type(error).__name__)]
    world.error = None
    assert await world.look() == {}
    assert await world.look() == {"mirror": 0.0}


@pytest.mark.parametrize(("since", "counts"), [(RESUBSCRIBE_SECONDS, True), (RESUBSCRIBE_SECONDS - 0.1, False)])
async def test_when_redis_has_just_come_back_all_others_have_a_while_to_subscribe(
    world: World, since: float, counts: bool
) -> None:
    world.lives["mirror:1"] = False
    world.present_since = world.now - since
    assert bool(await world.look(times=2)) is counts


async def test_who_is_not_known_to_redis_itself_misses_nobody(world: World) -> None:
    world.lives["mirror:1"] = False
    world.present_since = None
    assert await world.look(times=3) == {}


async def test_an_end_is_forgotten_once_it_was_told_and_another_is_there(world: World) -> None:
    world.lives |= {"mirror:1": False, "mirror:2": True}
    await world.look(times=2)
    await world.round.forget(["mirror"])
    assert world.forgotten == ["mirror:1"]
    assert await world.look(times=2) == {}


async def test_an_end_after_which_nobody_is_there_stays_told(world: World) -> None:
    world.lives["mirror:1"] = False
    await world.look(times=2)
    await world.round.forget(["mirror"])
    assert world.forgotten == []
    assert (await world.look()).keys() == {"mirror"}


async def test_an_end_of_another_kind_is_not_forgotten(world: World) -> None:
    world.lives |= {"mirror:1": False, "mirror:2": True}
    await world.look(times=2)
    await world.round.forget(["loops"])
    assert (await world.look()).keys() == {"mirror"}


async def test_what_redis_could_not_forget_is_told_again(world: World) -> None:
    world.lives |= {"mirror:1": False, "mirror:2": True}
    await world.look(times=2)
    world.error = RedisConnectionError()
    await world.round.forget(["mirror"])
    world.error = None
    assert (await world.look(times=2)).keys() == {"mirror"}


async def test_who_waits_is_woken_by_an_end_and_by_a_return(world: World) -> None:
    await world.look()
    await world.round.wait(0)
    for is_there, looks in ((False, 2), (True, 1)):
        world.lives["mirror:1"] = is_there
        await world.look(times=looks)
        async with asyncio.timeout(5):
            await world.round.wait(60)
