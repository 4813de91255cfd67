"""Processes of ours that are there, end in order, and end unasked, on a real Valkey."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.redis_keys import LIVES_KEY, life_channel
from gateway.connection import redis_client
from loops import process_lives
from loops.process_lives import LivesRound
from tests.patience import PATIENCE_SECONDS


@dataclass
class World:
    redis: Redis
    since: float | None = 0.0
    listening: dict[str, object] = field(default_factory=dict)

    def round(self) -> LivesRound:
        return LivesRound(self.redis, lambda: self.since)

    async def begin(self, life: str) -> None:
        await self.redis.hset(LIVES_KEY, life, "now")
        subscription = self.redis.pubsub()
        await subscription.subscribe(life_channel(life))
        await subscription.get_message(timeout=PATIENCE_SECONDS)
        self.listening[life] = subscription

    async def kill(self, life: str) -> None:
        subscription = self.listening.pop(life)
        await subscription.aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    world = World(redis_client(redis_url), since=time.monotonic() - 60)
    yield world
    for life in list(world.listening):
        await world.kill(life)
    await world.redis.aclose()


async def look(round: LivesRound, times: int) -> set[str]:
    for _ in range(times):
        await round.run_once()
    return set(round.ended())


async def test_a_process_counts_as_ended_when_two_looks_have_missed_it(world: World) -> None:
    await world.begin("mirror:1")
    round = world.round()
    assert await look(round, 3) == set()
    await world.kill("mirror:1")
    with capture_logs() as logs:
        assert await look(round, 1) == set()
        assert await look(round, 3) == {"mirror"}
    assert [(line["event"], line["process"]) for line in logs] == [("process_ended_unasked", "mirror")]
    assert round.ended()["mirror"] >= 0


async def test_one_that_subscribes_again_in_time_is_not_missed(world: World) -> None:
    await world.begin("mirror:1")
    round = world.round()
    await world.kill("mirror:1")
    await look(round, 1)
    await world.begin("mirror:1")
    assert await look(round, 3) == set()


async def test_an_end_is_told_until_another_of_its_kind_is_there_and_then_forgotten(world: World) -> None:
    await world.begin("mirror:1")
    await world.kill("mirror:1")
    round = world.round()
    assert await look(round, 2) == {"mirror"}
    await round.forget({"mirror"})
    assert await look(round, 2) == {"mirror"}
    await world.begin("mirror:2")
    assert await look(round, 1) == {"mirror"}
    await round.forget({"mirror"})
    assert await look(round, 2) == set()
    assert await world.redis.hkeys(LIVES_KEY) == [b"mirror:2"]


async def test_the_end_of_the_loops_themselves_is_found_by_the_next_ones(world: World) -> None:
    await world.begin("loops:before")
    await world.kill("loops:before")
    await world.begin("loops:after")
    assert await look(world.round(), 2) == {"loops"}


@pytest.mark.parametrize("since", [None, 0.0], ids=["Redis does not know us", "it has known us for a moment"])
async def test_nobody_is_missed_while_redis_has_just_come_back(world: World, since: float | None) -> None:
    await world.begin("mirror:1")
    await world.kill("mirror:1")
    world.since = None if since is None else time.monotonic()
    round = world.round()
    assert await look(round, 3) == set()
    world.since = time.monotonic() - process_lives.RESUBSCRIBE_SECONDS
    assert await look(round, 2) == {"mirror"}


async def test_what_has_ended_stays_so_while_redis_is_away(world: World) -> None:
    await world.begin("mirror:1")
    await world.kill("mirror:1")
    round = world.round()
    assert await look(round, 2) == {"mirror"}
    there, round._redis = round._redis, redis_client("redis://127.0.0.1:1/2")
    assert await look(round, 2) == {"mirror"}
    await round.forget({"mirror"})
    await round._redis.aclose()
    round._redis = there
    assert await look(round, 2) == {"mirror"}


async def test_who_waits_is_woken_by_an_end_and_by_a_return(world: World) -> None:
    round = world.round()
    await look(round, 1)
    await round.wait(0.01)
    await world.begin("mirror:1")
    await look(round, 1)
    await round.wait(600)
    await world.kill("mirror:1")
    await look(round, 2)
    await round.wait(600)
