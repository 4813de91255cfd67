"""Wishes against a real Postgres and the gateway in memory."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.workers.status import SILENCE, Heartbeat
from gateway.connection import redis_client
from gateway.control import Work
from loops.workers.control import ControlRound
from loops.workers.drains import Drains
from loops.workers.nodes import NodesRound
from services.workers.orders import WorkerOrders
from services.workers.requests import (
    find_drain,
    find_worker,
    request_capacity,
    request_drain,
    request_pause,
    request_resume,
)
from store.queries.workers import nodes, wishes
from store.queries.workers.nodes import WorkerRow
from store.tables.workers import workers as table
from tests.authors import AUTHOR
from tests.fakes.gateway import FakeBroker, FakeControl, FakePauseKeys, FakePresence
from tests.integration.api.nodes import describe_node

NODE = "celery@one"
STOCK = describe_node(NODE, pid=1, queues=("a", "b"))
PLUGIN: dict[str, Any] = {"plugin": "1.0", "protocol": 1, "capabilities": ("pause", "drain", "resize"), "paused": False}
WITH_PLUGIN = replace(STOCK, **PLUGIN)


class World:
    """One worker as the mirror, the loops and operators see it."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self.engine = engine
        self.broker = FakeBroker(nodes={NODE: STOCK})
        self.keys = FakePauseKeys()
        control = FakeControl(self.broker)
        orders = WorkerOrders(control, self.keys)
        self.redis = redis
        self.presence = FakePresence(self.broker)
        drains = Drains(engine, control, orders=orders, presence=self.presence, redis=redis)
        self.round = ControlRound(engine, control, orders=orders, drains=drains, keys_seconds=0, patience_seconds=0)
        self.look = NodesRound(engine, control)

    async def hear(self, **told: Any) -> None:
        now = datetime.now(UTC)
        beat: dict[str, Any] = {"heard_at": now, "at": now, "pid": 1} | told
        async with self.engine.begin() as connection:
            await nodes.hear(connection, [Heartbeat(NODE, **beat)])

    async def say_goodbye(self, **told: Any) -> None:
        """It answers nobody from then on."""
        now = datetime.now(UTC)
        self.broker.nodes.pop(NODE, None)
        await self.hear(at=now, goodbye_at=now, **told)

    async def worker(self) -> WorkerRow:
        async with self.engine.connect() as connection:
            return await find_worker(connection, NODE)

    async def want(self, wish: Any, **details: Any) -> None:
        async with self.engine.begin() as connection:
            await wish(connection, NODE, author=AUTHOR, **details)

    async def run(self, rounds: int = 1) -> list[tuple[str, ...]]:
        """What the worker was told in these rounds."""
        self.broker.orders.clear()
        for _ in range(rounds):
            await self.round.run_once()
        return list(self.broker.orders)


@pytest.fixture
async def world(engine: AsyncEngine, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with redis_client(redis_url) as redis:
        world = World(engine, redis)
        await world.hear()
        await world.look.run_once()
        yield world


async def test_a_worker_of_which_nothing_is_wanted_is_left_alone_whatever_it_does(world: World) -> None:
    world.broker.nodes[NODE] = replace(STOCK, queues=())
    assert await world.run() == []
    assert world.keys.held == set()


async def test_a_stock_worker_is_paused_queue_by_queue_and_gets_them_all_back(world: World) -> None:
    await world.want(request_pause)
    assert await world.run(2) == [("cancel_consumer", "a", NODE), ("cancel_consumer", "b", NODE)]
    paused = await world.worker()
    assert (paused.queues, paused.consuming, paused.converged) == (["a", "b"], [], True)
    await world.want(request_resume)
    assert await world.run(2) == [("add_consumer", "a", NODE), ("add_consumer", "b", NODE)]
    assert (await world.worker()).converged


async def test_a_worker_with_the_plugin_is_told_by_name(world: World) -> None:
    world.broker.nodes[NODE] = WITH_PLUGIN
    await world.hear(pid=2)
    await world.want(request_pause)
    assert await world.run() == [("pause", NODE)]
    assert world.keys.held == {NODE}
    assert ((await world.worker()).queues, (await world.worker()).is_paused) == (["a", "b"], True)
    await world.want(request_resume)
    assert await world.run() == [("resume", NODE)]


async def test_a_plugin_that_speaks_otherwise_is_treated_as_a_stock_worker(world: World) -> None:
    # Of one with which we share no protocol the gateway tells nothing that it can do.
    world.broker.nodes[NODE] = replace(WITH_PLUGIN, protocol=2, capabilities=())
    await world.want(request_pause)
    assert ("cancel_consumer", "a", NODE) in await world.run()
    assert (await world.worker()).protocol == 2


async def test_a_restarted_worker_is_paused_again_and_keeps_the_queues_it_was_started_with(world: World) -> None:
    await world.want(request_pause)
    await world.run()
    world.broker.nodes[NODE] = replace(STOCK, pid=2, queues=("a", "c"))
    await world.hear(pid=2)
    assert await world.run() == [("cancel_consumer", "a", NODE), ("cancel_consumer", "c", NODE)]
    assert (await world.worker()).queues == ["a", "c"]


async def test_what_somebody_else_changed_is_seen_and_changed_back(world: World) -> None:
    await world.want(request_pause)
    await world.run()
    world.broker.nodes[NODE] = STOCK
    assert await world.run() == [], "nothing has told of it yet"
    await age_description(world)
    await world.look.run_once()
    assert await world.run() == [("cancel_consumer", "a", NODE), ("cancel_consumer", "b", NODE)]


async def test_a_size_is_ordered_once_until_it_must_have_been_seen(world: World) -> None:
    await want_capacity(world, 5)
    assert await world.run() == [("resize", "3", NODE)]
    world.broker.nodes[NODE] = STOCK
    await age_description(world)
    await world.look.run_once()
    assert await world.run() == [], "prefork counts a new size seconds later"
    await age_description(world, resize_at=datetime.now(UTC) - timedelta(seconds=9))
    assert await world.run() == [("resize", "3", NODE)]
    assert (await world.worker()).concurrency == 2


async def test_busy_processes_are_not_ended_and_the_rest_is_tried_again(world: World) -> None:
    world.broker.nodes[NODE] = replace(STOCK, concurrency=4)
    world.broker.work[NODE] = Work(("x", "y", "z"))
    await want_capacity(world, 1)
    await age_description(world)
    await world.look.run_once()
    assert await world.run() == [("resize", "-1", NODE)]
    world.broker.work.clear()
    await age_description(world)
    await world.look.run_once()
    assert await world.run() == [("resize", "-2", NODE)]


@pytest.mark.parametrize("changed", [{"pool": "solo"}, {"pool": "threads"}, {"autoscales": True}])
async def test_a_pool_that_cannot_be_resized_is_not_told_to(world: World, changed: dict[str, Any]) -> None:
    world.broker.nodes[NODE] = replace(STOCK, pid=2, **changed)
    await world.hear(pid=2)
    await want_capacity(world, 9)
    assert await world.run(2) == []


async def test_a_drain_waits_for_what_runs_then_sends_the_worker_away_and_ends_with_its_goodbye(world: World) -> None:
    world.broker.work[NODE] = Work(("x",))
    await world.want(request_drain, deadline_seconds=None)
    assert [order[0] for order in await world.run(2)] == ["cancel_consumer", "cancel_consumer"]
    assert (await world.worker()).drain_remaining == ["x"]
    world.broker.work[NODE] = Work(())
    assert await world.run(3) == [("shutdown", NODE)], "once"
    await world.say_goodbye()
    await world.run()
    worker = await world.worker()
    assert (worker.is_draining, worker.want_paused, worker.drain_remaining) == (False, False, [])
    assert worker.drain_finished_at is not None
    assert world.keys.held == set()


async def test_the_next_start_of_a_drained_worker_is_an_ordinary_one(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    await world.say_goodbye()
    await world.run()
    world.broker.nodes[NODE] = replace(STOCK, pid=2)
    await world.hear(pid=2, at=datetime.now(UTC) + timedelta(seconds=1))
    assert await world.run(2) == []
    worker = await world.worker()
    assert (worker.drain_started_at, worker.status) == (None, "ACTIVE")
    assert worker.drain_finished_at is not None, "its history tells that it was drained"


async def test_a_worker_that_came_back_before_its_goodbye_was_read_is_not_drained_again(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.say_goodbye()
    await world.hear(pid=2, at=datetime.now(UTC) + timedelta(seconds=1))
    assert ("shutdown", NODE) not in await world.run(2)
    assert (await world.worker()).is_draining is False


async def test_a_drain_goes_on_with_the_process_that_follows_a_crash(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    world.broker.nodes[NODE] = replace(STOCK, pid=2)
    await world.hear(pid=2)
    assert ("shutdown", NODE) in await world.run(2)


async def test_a_resume_takes_a_drain_back_unless_the_worker_was_told_to_exit(world: World) -> None:
    world.broker.work[NODE] = Work(("x",))
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    await world.want(request_resume)
    world.broker.work.clear()
    assert [order[0] for order in await world.run(2)] == ["add_consumer", "add_consumer"]


async def test_a_shutdown_that_was_not_heard_is_sent_again_after_a_while(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    await age_description(world, drain_shutdown_at=datetime.now(UTC) - timedelta(seconds=11))
    assert await world.run() == [("shutdown", NODE)]


async def test_a_worker_told_to_exit_that_is_silent_and_answers_nobody_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    gone = datetime.now(UTC) - SILENCE - timedelta(seconds=1)
    await age_description(world, last_heartbeat_at=gone, seen_at=gone)
    await world.run(2)
    assert (await world.worker()).is_draining, "it answers a ping"
    del world.broker.nodes[NODE]
    await world.run(2)
    assert (await world.worker()).is_draining, "for a moment only"
    monkeypatch.setattr("loops.workers.drains.SILENCE", timedelta(0))
    await world.run(2)
    assert not (await world.worker()).is_draining


async def test_a_goodbye_is_not_the_end_while_it_is_connected_or_shows_life(world: World) -> None:
    world.broker.nodes[NODE] = replace(WITH_PLUGIN, pid=1)
    await world.hear(pid=1)
    await age_description(world)
    await world.look.run_once()
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    await world.redis.set(f"celeriac:node:{NODE}", "1")
    world.presence.connected.add(NODE)
    await world.say_goodbye()
    for leave in (world.presence.connected.clear, lambda: None):
        await world.run()
        worker = await world.worker()
        assert (worker.is_draining, worker.drain_finished_at, worker.status) == (True, None, "OFFLINE")
        leave()
    await world.redis.delete(f"celeriac:node:{NODE}")
    await world.run()
    assert not (await world.worker()).is_draining


async def test_a_goodbye_is_not_the_end_while_its_process_runs_on_this_machine(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    argv = [sys.executable, "-c", "input()", "--hostname", NODE]
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE)
    await world.say_goodbye(pid=process.pid)
    await world.run(2)
    assert (await world.worker()).is_draining
    await process.communicate(b"\n")
    await world.run()
    assert not (await world.worker()).is_draining


async def test_another_process_of_the_same_pid_proves_nothing(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    await world.say_goodbye(pid=os.getpid())
    await world.run()
    assert not (await world.worker()).is_draining


async def test_where_its_end_cannot_be_proven_a_drain_ends_a_while_after_the_goodbye(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.want(request_drain, deadline_seconds=None)
    await world.run()
    world.presence.connected.add(NODE)
    await world.say_goodbye()
    await world.run(2)
    assert (await world.worker()).is_draining
    monkeypatch.setattr("loops.workers.drains.UNPROVEN", timedelta(0))
    await world.run()
    assert not (await world.worker()).is_draining


async def test_a_second_drain_only_sets_the_deadline(world: World) -> None:
    await world.want(request_drain, deadline_seconds=None)
    began = (await world.worker()).drain_started_at
    await world.want(request_drain, deadline_seconds=60)
    worker = await world.worker()
    assert worker.drain_started_at == began
    assert worker.drain_deadline_at is not None
    async with world.engine.connect() as connection:
        assert (await find_drain(connection, NODE)).worker_id == worker.worker_id


async def want_capacity(world: World, capacity: int) -> None:
    async with world.engine.begin() as connection:
        worker = await find_worker(connection, NODE)
        await request_capacity(connection, worker, capacity=capacity, description=None, author=AUTHOR)


async def age_description(world: World, **columns: Any) -> None:
    """As if the worker was asked long ago."""
    long_ago = {"described_at": datetime.now(UTC) - timedelta(seconds=30)}
    async with world.engine.begin() as connection:
        assert await wishes.lock_node(connection, NODE)
        await connection.execute(update(table).values(long_ago | columns))
