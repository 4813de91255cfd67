"""What a scrape knows when a store fails, hangs or is asked by many at once."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from api.health import metrics_sources as module
from api.health.metrics_sources import MetricsSources
from gateway.events.backlog import Backlog
from gateway.queues import QueueReader
from store.queries.for_metrics import StoreFigures
from tests.fakes.engine import FakeEngine

SECRET = "postgresql://user:s3cret@h"
FIGURES = cast(StoreFigures, object())
BACKLOG = Backlog(0, 0.0)


class World:
    """Three stores; one in `failing` fails, one in `frozen` does not answer."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.failing: set[str] = set()
        self.frozen: set[str] = set()
        self.asked: list[str] = []
        self.thawed = asyncio.Event()

    async def ask(self, store: str) -> None:
        self.asked.append(store)
        if store in self.frozen:
            await self.thawed.wait()
        if store in self.failing:
            raise ConnectionError(SECRET)

    async def get_figures(self, _: Any) -> StoreFigures:
        await self.ask("database")
        return FIGURES

    async def count_open_alerts(self, _: Any) -> dict[Any, int]:
        return {("COMPONENT_DOWN", "CRITICAL"): 1}

    async def read_counters(self, _: Any) -> dict[str, int]:
        await self.ask("redis")
        return {}

    async def read_stream_backlog(self, _: Any) -> Backlog:
        return BACKLOG

    async def count_in_queue(self, _: Any) -> int:
        await self.ask("broker")
        return 0


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("get_figures", "count_open_alerts", "read_counters", "read_stream_backlog", "count_in_queue"):
        monkeypatch.setattr(module, name, getattr(world, name))
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.02)
    return world


@pytest.fixture
def sources(world: World) -> MetricsSources:
    return MetricsSources(world.engine.as_engine(), cast(Redis, None), queues=cast(QueueReader, None))


async def test_a_scrape_has_what_all_have_told(sources: MetricsSources) -> None:
    figures = await sources.read()
    assert (figures.store, figures.in_stream, figures.in_queue) == (FIGURES, BACKLOG, 0)
    assert figures.open_alerts == {("COMPONENT_DOWN", "CRITICAL"): 1}
    assert figures.counters == {}
    assert figures.answered() == {"database": True, "redis": True, "broker": True}, "0 and {} are answers"


@pytest.mark.parametrize("store", ["database", "redis", "broker"])
@pytest.mark.parametrize("how", ["failing", "frozen"])
async def test_a_store_that_does_not_tell_is_left_out_and_the_others_are_not(
    world: World, sources: MetricsSources, store: str, how: str
) -> None:
    getattr(world, how).add(store)
    answered = (await sources.read()).answered()
    assert [name for name, told in answered.items() if not told] == [store]
    await sources.close()


async def test_of_a_store_that_fails_nothing_is_guessed(world: World, sources: MetricsSources) -> None:
    world.failing = {"database", "redis", "broker"}
    with capture_logs() as logs:
        figures = await sources.read()
    told = (figures.store, figures.open_alerts, figures.counters, figures.in_stream, figures.in_queue)
    assert told == (None,) * 5
    assert {(event["part"], event["error"], event["log_level"]) for event in logs} == {
        (store, "ConnectionError", "debug") for store in world.failing
    }
    assert "s3cret" not in str(logs)


async def test_scrapes_that_come_meanwhile_wait_for_the_same_question(world: World, sources: MetricsSources) -> None:
    scrapes = await asyncio.gather(*(sources.read() for _ in range(10)))
    assert sorted(world.asked) == ["broker", "database", "redis"]
    assert all(scrape.store is FIGURES for scrape in scrapes)


async def test_a_frozen_store_has_one_question_however_often_it_is_asked_for(
    world: World, sources: MetricsSources
) -> None:
    world.frozen = {"database"}
    for _ in range(3):
        assert (await sources.read()).store is None
    assert world.asked.count("database") == 1
    world.thawed.set()
    assert (await sources.read()).store is FIGURES
    assert world.engine.open == 0


async def test_at_the_end_no_question_is_left_and_no_connection(world: World, sources: MetricsSources) -> None:
    world.frozen = {"database"}
    await sources.read()
    assert world.engine.open == 1
    await sources.close()
    assert world.engine.open == 0
