from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.cancels import StopSignal
from domain.errors import TaskAlreadyFinished, TaskNotFound
from domain.facts import Fact
from domain.redis_keys import cancelled_key
from domain.states import EventType
from domain.workers.status import Heartbeat
from gateway.connection import redis_client
from services.cancels.cancel import (
    KEY_SECONDS,
    LASTING_KEY_SECONDS,
    CancelOutcome,
    CancelRequest,
    Enforced,
    enforce,
    read_outcome,
    record_outcome,
    renew_keys,
    request_cancel,
)
from services.dispatch import dispatch_due
from services.record import News, record
from services.timeline import read_task_history
from store.queries import outbox, submissions
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from store.tables.tasks import outbox as outbox_table
from store.tables.workers import workers as workers_table
from tests.authors import AUTHOR
from tests.facts import NODE, told
from tests.fakes.gateway import FakeBroker, FakeControl, FakeMessageMover, FakePublisher
from tests.submissions import make_submission

SUBMITTED, DISPATCHED, CANCEL_REQUESTED = EventType.SUBMITTED, EventType.DISPATCHED, EventType.CANCEL_REQUESTED
RECEIVED, STARTED, RETRIED, REVOKED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED, EventType.REVOKED


@dataclass
class World:
    """Postgres and Redis for real, a broker in memory."""

    engine: AsyncEngine
    redis: Redis
    broker: FakeBroker

    async def submit(self, **given: object) -> str:
        submission = make_submission(**given)
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
        return submission.task_id

    async def dispatch(self) -> None:
        async with self.engine.begin() as connection:
            await dispatch_due(connection, FakePublisher(self.broker))

    async def add_queued(self) -> str:
        task_id = await self.submit()
        await self.dispatch()
        return task_id

    async def hear(self, *facts: Fact) -> None:
        async with self.engine.begin() as connection:
            await record(connection, News(facts))

    async def add_node(self, *capabilities: str, node: str = NODE, pool: str = "prefork", ago: float = 0) -> None:
        """A node that consumes `celery`."""
        at = datetime.now(UTC) - timedelta(seconds=ago)
        async with self.engine.begin() as connection:
            await nodes.hear(connection, [Heartbeat(node, heard_at=at, at=at, pid=1)])
            description = Description(node, 1, pool, 1, 1, ["celery"], [], "1.0", capabilities=capabilities)
            await descriptions.save_description(connection, description)

    async def request(self, task_id: str, *, signal: StopSignal = StopSignal.SIGTERM) -> CancelRequest:
        async with self.engine.begin() as connection:
            return await request_cancel(connection, task_id, signal=signal, author=AUTHOR)

    async def cancel(self, task_id: str, *, signal: StopSignal = StopSignal.SIGTERM) -> tuple[Enforced, bool]:
        """All that the route does; what was done, and whether it was proof."""
        request = await self.request(task_id, signal=signal)
        mover, control = FakeMessageMover(self.broker), FakeControl(self.broker)
        enforced = await enforce(request, redis=self.redis, control=control, mover=mover)
        async with self.engine.begin() as connection:
            return enforced, await record_outcome(connection, request, enforced=enforced)

    async def outcome(self, task_id: str, *, told: bool = True) -> CancelOutcome:
        async with self.engine.connect() as connection:
            return await read_outcome(connection, task_id, workers_told=told)

    async def story(self, task_id: str) -> tuple[str, list[EventType]]:
        """Status and timeline."""
        async with self.engine.connect() as connection:
            history = await read_task_history(connection, task_id)
        return history.task.status, [entry.type for entry in history.entries]


@pytest.fixture
async def world(engine: AsyncEngine, redis_url: str) -> AsyncIterator[World]:
    redis = redis_client(redis_url)
    yield World(engine, redis, FakeBroker())
    await redis.aclose()


async def test_a_scheduled_task_is_cancelled_for_certain(world: World) -> None:
    task_id = await world.submit(scheduled_at=datetime.now(UTC) + timedelta(seconds=60))
    assert (await world.request(task_id)).certain
    assert await world.story(task_id) == ("CANCELLED", [SUBMITTED, CANCEL_REQUESTED, REVOKED])
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(outbox_table))).all() == []


async def test_a_task_that_a_dispatcher_holds_counts_as_dispatched(world: World) -> None:
    task_id = await world.submit()
    async with world.engine.begin() as dispatcher:
        await outbox.claim_due(dispatcher, batch_size=1)
        assert not (await world.request(task_id)).certain
    await world.dispatch()
    assert await world.story(task_id) == ("CANCELLED", [SUBMITTED, CANCEL_REQUESTED, REVOKED])
    assert not world.broker.queues


async def test_a_message_that_waits_is_taken_back_and_the_task_is_cancelled(world: World) -> None:
    task_id = await world.add_queued()
    enforced, proven = await world.cancel(task_id)
    assert (enforced.withdrawn, proven, world.broker.queues["celery"]) == (True, True, [])
    assert await world.story(task_id) == ("CANCELLED", [SUBMITTED, DISPATCHED, CANCEL_REQUESTED, REVOKED])
    assert (await world.request(task_id)).certain


async def test_a_task_that_a_worker_may_have_is_not_cancelled_yet(world: World) -> None:
    task_id = await world.add_queued()
    world.broker.queues.clear()
    enforced, proven = await world.cancel(task_id)
    assert (enforced.workers_told, enforced.withdrawn, proven) == (True, False, False)
    assert (await world.story(task_id))[0] == "PENDING"
    outcome = await world.outcome(task_id)
    assert outcome.worth_waiting
    # Nobody is known who could have been told.
    assert outcome.message.startswith("No worker is known to read the task's queue")
    await world.add_node()
    assert "were told to refuse it" in (await world.outcome(task_id)).message


async def test_where_every_consumer_asks_the_gate_its_key_is_proof(world: World) -> None:
    await world.add_node("cancel_gate")
    await world.add_node("cancel_gate", node="celery@away", ago=3600)
    task_id = await world.add_queued()
    world.broker.queues.clear()
    enforced, proven = await world.cancel(task_id)
    assert (enforced.gated, enforced.withdrawn, proven) == (True, False, True)
    assert (await world.outcome(task_id)).message == "Task cancelled successfully"
    assert KEY_SECONDS < await world.redis.ttl(cancelled_key(task_id)) <= LASTING_KEY_SECONDS


async def test_one_consumer_without_the_gate_takes_the_certainty_away(world: World) -> None:
    await world.add_node("cancel_gate")
    await world.add_node(node="celery@stock", ago=3600)
    task_id = await world.add_queued()
    world.broker.queues.clear()
    assert (await world.cancel(task_id))[1] is False


async def test_a_node_that_has_not_said_what_it_is_takes_the_certainty_away(world: World) -> None:
    await world.add_node("cancel_gate")
    await world.add_node("cancel_gate", node="celery@new")
    async with world.engine.begin() as connection:
        restarted = update(workers_table).where(workers_table.c.node == "celery@new")
        await connection.execute(restarted.values(pid=2))
    task_id = await world.add_queued()
    world.broker.queues.clear()
    assert (await world.cancel(task_id))[1] is False


async def test_a_start_that_had_passed_the_gate_is_no_certain_cancel(world: World) -> None:
    await world.add_node("cancel_gate")
    task_id = await world.add_queued()
    world.broker.queues.clear()
    await world.redis.set(f"celeriac:run:{task_id}:0:1", "celery@one|boot|started")
    enforced, proven = await world.cancel(task_id)
    assert (enforced.gated, proven) == (False, False)


async def test_of_a_task_that_waits_for_a_retry_the_next_run_counts(world: World) -> None:
    await world.add_node("cancel_gate")
    task_id = await world.add_queued()
    world.broker.queues.clear()
    kinds = (RECEIVED, STARTED, RETRIED)
    await world.hear(*(told(kind, 1 + n, task_id=task_id, retries=0) for n, kind in enumerate(kinds)))
    await world.redis.set(f"celeriac:run:{task_id}:0:1", "celery@one|boot|finished")
    assert (await world.request(task_id)).next_run == (1, 1)
    assert (await world.cancel(task_id))[1] is True


async def test_a_running_task_is_told_to_stop_with_the_signal_asked_for(world: World) -> None:
    await world.add_node("cancel_gate")
    task_id = await world.add_queued()
    await world.hear(told(RECEIVED, 1, task_id=task_id), told(STARTED, 2, task_id=task_id))
    assert (await world.cancel(task_id, signal=StopSignal.SIGKILL))[1] is False
    assert world.broker.revoked == [((task_id,), True, "SIGKILL")]
    outcome = await world.outcome(task_id)
    assert (outcome.status, outcome.worth_waiting) == ("RUNNING", True)


async def test_a_later_wish_for_sigkill_counts_and_a_still_later_one_for_sigterm_does_not(world: World) -> None:
    task_id = await world.add_queued()
    await world.hear(told(RECEIVED, 1, task_id=task_id), told(STARTED, 2, task_id=task_id))
    for signal in (StopSignal.SIGTERM, StopSignal.SIGKILL, StopSignal.SIGTERM):
        await world.cancel(task_id, signal=signal)
    assert [signal for _, _, signal in world.broker.revoked] == ["SIGTERM", "SIGKILL", "SIGKILL"]
    assert (await world.story(task_id))[1].count(CANCEL_REQUESTED) == 2


@pytest.mark.parametrize("pool", ["threads", "solo"])
async def test_a_pool_that_cannot_stop_a_run_is_not_waited_for(world: World, pool: str) -> None:
    await world.add_node(pool=pool)
    task_id = await world.add_queued()
    await world.hear(told(RECEIVED, 1, task_id=task_id), told(STARTED, 2, task_id=task_id))
    await world.cancel(task_id)
    outcome = await world.outcome(task_id)
    assert not outcome.worth_waiting
    assert outcome.message == f"A {pool} pool cannot stop a task that runs; no retry of it will start."


async def test_without_broker_and_redis_the_wish_is_kept(world: World) -> None:
    task_id = await world.add_queued()
    world.broker.available = False
    world.redis.connection_pool.connection_kwargs["port"] = 1
    await world.redis.connection_pool.disconnect()
    assert await world.cancel(task_id) == (Enforced(workers_told=False, gated=False, withdrawn=False), False)
    outcome = await world.outcome(task_id, told=False)
    assert (outcome.worth_waiting, "cannot be reached" in outcome.message) == (False, True)
    assert (await world.story(task_id))[1][-1] == CANCEL_REQUESTED


async def test_asking_twice_is_asking_once(world: World) -> None:
    queued = await world.add_queued()
    scheduled = await world.submit(scheduled_at=datetime.now(UTC) + timedelta(seconds=9))
    for task_id, certain in ((queued, False), (scheduled, True)):
        assert [(await world.request(task_id)).certain for _ in range(2)] == [certain, certain]
        assert (await world.story(task_id))[1].count(CANCEL_REQUESTED) == 1


@pytest.mark.parametrize("end", [EventType.SUCCEEDED, EventType.FAILED])
async def test_a_finished_task_cannot_be_cancelled(world: World, end: EventType) -> None:
    task_id = await world.add_queued()
    await world.hear(told(end, 1, task_id=task_id))
    with pytest.raises(TaskAlreadyFinished):
        await world.request(task_id)


async def test_an_unknown_task_cannot_be_cancelled(world: World) -> None:
    with pytest.raises(TaskNotFound):
        await world.request("unknown")
    with pytest.raises(TaskNotFound):
        await world.outcome("unknown")


async def test_the_gate_is_kept_shut_while_the_end_is_not_proven(world: World) -> None:
    await renew_keys(world.redis, ["a", "b"])
    assert await world.redis.mget(cancelled_key("a"), cancelled_key("b")) == [b"1", b"1"]
    assert 0 < await world.redis.ttl(cancelled_key("a")) <= KEY_SECONDS
