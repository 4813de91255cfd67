"""Open cancels, against a real Postgres and Redis and the gateway in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.cancels import StopSignal
from domain.errors import BrokerUnavailable
from domain.facts import Fact
from domain.redis_keys import cancelled_key
from domain.states import EventType
from gateway.connection import redis_client
from loops import cancels
from loops.cancels import CancelsRound
from services.cancels.cancel import KEY_SECONDS, request_cancel
from services.dispatch import dispatch_due
from services.record import News, record
from store.queries import submissions
from store.queries.tasks.documents import get_task
from tests.authors import AUTHOR
from tests.facts import told
from tests.fakes.gateway import FakeBroker, FakeControl, FakeMessageMover, FakePublisher
from tests.submissions import make_submission


@dataclass
class World:
    engine: AsyncEngine
    redis: Redis
    broker: FakeBroker

    async def add_cancelled(self, *facts: EventType, signal: StopSignal = StopSignal.SIGTERM) -> str:
        """Dispatched, perhaps heard of, and asked to be cancelled while nobody could act."""
        submission = make_submission()
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
        async with self.engine.begin() as connection:
            await dispatch_due(connection, FakePublisher(self.broker))
        heard: list[Fact] = [told(kind, 1 + n, task_id=submission.task_id) for n, kind in enumerate(facts)]
        async with self.engine.begin() as connection:
            await record(connection, News(heard))
            await request_cancel(connection, submission.task_id, signal=signal, author=AUTHOR)
        return submission.task_id

    async def run_once(self) -> float:
        round_ = CancelsRound(
            self.engine, FakeControl(self.broker), mover=FakeMessageMover(self.broker), redis=self.redis
        )
        return await round_.run_once()

    async def status(self, task_id: str) -> str:
        async with self.engine.connect() as connection:
            task = await get_task(connection, task_id)
        assert task is not None
        return str(task.status)


@pytest.fixture
async def world(engine: AsyncEngine, redis_url: str) -> AsyncIterator[World]:
    redis = redis_client(redis_url)
    yield World(engine, redis, FakeBroker())
    await redis.aclose()


async def test_open_cancels_are_told_in_one_broadcast_and_what_waits_is_taken_back(world: World) -> None:
    running = await world.add_cancelled(EventType.RECEIVED, EventType.STARTED)
    world.broker.queues.clear()
    queued = await world.add_cancelled()
    assert await world.run_once() == cancels.ROUND_SECONDS
    ((revoked, terminate, _),) = world.broker.revoked
    assert (sorted(revoked), terminate) == (sorted([running, queued]), True)
    assert [await world.status(running), await world.status(queued)] == ["RUNNING", "CANCELLED"]
    assert KEY_SECONDS - 60 < await world.redis.ttl(cancelled_key(running)) <= KEY_SECONDS
    await world.run_once()
    assert world.broker.revoked[-1][0] == (running,)


async def test_every_cancel_is_repeated_with_its_own_signal(world: World) -> None:
    gentle = await world.add_cancelled(EventType.RECEIVED, EventType.STARTED)
    harsh = await world.add_cancelled(EventType.RECEIVED, EventType.STARTED, signal=StopSignal.SIGKILL)
    for _ in range(2):
        await world.run_once()
        assert world.broker.revoked == [((gentle,), True, "SIGTERM"), ((harsh,), True, "SIGKILL")]
        world.broker.revoked.clear()
    async with world.engine.begin() as connection:
        await request_cancel(connection, gentle, signal=StopSignal.SIGKILL, author=AUTHOR)
    await world.run_once()
    ((revoked, _, signal),) = world.broker.revoked
    assert (sorted(revoked), signal) == (sorted([gentle, harsh]), "SIGKILL")


async def test_a_cancel_that_cannot_be_told_now_is_told_later(world: World) -> None:
    queued = await world.add_cancelled()
    world.broker.available = False
    with pytest.raises(BrokerUnavailable):
        await world.run_once()
    assert await world.redis.exists(cancelled_key(queued)), "the gate needs no broker"
    world.broker.available = True
    await world.run_once()
    assert await world.status(queued) == "CANCELLED"


async def test_without_an_open_cancel_the_broker_is_left_alone(world: World) -> None:
    world.broker.available = False
    assert await world.run_once() == cancels.ROUND_SECONDS
    assert world.broker.revoked == []


async def test_a_task_that_ended_meanwhile_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, queued = await world.add_cancelled(EventType.RECEIVED, EventType.STARTED), await world.add_cancelled()
    revoke = FakeControl.revoke

    async def revoke_too_late(self: FakeControl, *args: object, **options: object) -> None:
        async with world.engine.begin() as connection:
            await record(connection, News([told(EventType.SUCCEEDED, 9, task_id=ended)]))
        await revoke(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeControl, "revoke", revoke_too_late)
    await world.run_once()
    assert [await world.status(ended), await world.status(queued)] == ["COMPLETED", "CANCELLED"]
