from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.facts import Fact
from domain.states import EventType
from domain.workers import Heartbeat
from gateway.control import HeldTask
from gateway.messages import TaskMessage
from loops import absences, sweep
from loops.sweep import SweepRound
from services.history import News, record
from store.queries import descriptions, leadership, submissions, workers
from store.queries.descriptions import Description
from store.tables import outbox, tasks
from tests.fakes.gateway import FakeBroker, FakeControl, FakeQueueReader, FakeResultReader
from tests.submissions import make_submission

NODE = "celery@one"
LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)


@dataclass
class World:
    """A sweep with all that it looks at. Looks follow each other at once, and count as far enough apart."""

    engine: AsyncEngine
    broker: FakeBroker = field(default_factory=FakeBroker)

    def __post_init__(self) -> None:
        results, queues, control = FakeResultReader(self.broker), FakeQueueReader(self.broker), FakeControl(self.broker)
        self.round = SweepRound(self.engine, results, queues, control)

    async def add_dispatched(self) -> str:
        """A task of which nothing was heard since its dispatch."""
        submission = make_submission(created_at=LONG_AGO)
        facts = [Fact(submission.task_id, EventType.DISPATCHED, LONG_AGO, "dispatched:1", details={"dispatch_no": 1})]
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
            await connection.execute(outbox.delete().where(outbox.c.task_id == submission.task_id))
            await record(connection, News(facts))
        return submission.task_id

    async def look(self, *task_ids: str) -> float:
        """One round in which it is the turn of these tasks, and of no other."""
        async with self.engine.begin() as connection:
            await connection.execute(update(tasks).values(checked_at=datetime.now(UTC)))
            turn = update(tasks).where(tasks.c.task_id.in_(task_ids))
            await connection.execute(turn.values(checked_at=LONG_AGO))
        return await self.round.run_once()

    async def in_outbox(self) -> list[str]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(outbox.c.task_id))).scalars())

    async def add_node(self, *, answers: bool) -> None:
        """An online, described node."""
        now = datetime.now(UTC)
        async with self.engine.begin() as connection:
            await workers.hear(connection, [Heartbeat(NODE, heard_at=now, at=now, pid=1)])
            description = Description(NODE, 1, "prefork", 1, 1, ["celery"], ["celeriac.add"], None)
            await descriptions.describe(connection, description)
        if answers:
            self.broker.nodes[NODE] = None  # type: ignore[assignment]


@pytest.fixture
def world(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(absences, "BETWEEN_LOOKS", timedelta(0, microseconds=1))
    return World(engine)


def message(task_id: str) -> TaskMessage:
    return TaskMessage(task_id, "celeriac.add", [], {}, "celery", 5, None, None, 1)


async def test_a_dispatch_missing_twice_is_lost_and_goes_back_to_the_outbox(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.look(task_id)
    assert await world.in_outbox() == [], "a message may be between two lists while we look"
    await world.look(task_id)
    assert await world.in_outbox() == [task_id]


async def test_rounds_in_which_it_is_the_turn_of_others_do_not_make_it_forgotten(world: World) -> None:
    lost, other = await world.add_dispatched(), await world.add_dispatched()
    world.broker.queues["celery"].append(message(other))
    await world.look(lost)
    await world.look(other)
    await world.look()
    await world.look(lost)
    assert await world.in_outbox() == [lost]


async def test_a_task_found_again_in_between_is_not_lost(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.look(task_id)
    world.broker.queues["celery"].append(message(task_id))
    await world.look(task_id)
    world.broker.queues.clear()
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_two_looks_too_close_together_prove_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences, "BETWEEN_LOOKS", timedelta(seconds=60))
    task_id = await world.add_dispatched()
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


@pytest.mark.parametrize("place", ["queue", "unacknowledged", "worker", "backend"])
async def test_a_task_found_anywhere_is_not_lost(world: World, place: str) -> None:
    task_id = await world.add_dispatched()
    await world.add_node(answers=True)
    if place == "queue":
        world.broker.queues["celery"].append(message(task_id))
    elif place == "unacknowledged":
        world.broker.unacknowledged[task_id] = message(task_id)
    elif place == "worker":
        world.broker.held[task_id] = HeldTask(node=NODE, phase="reserved")
    else:
        world.broker.metas[task_id] = b'{"status": "STARTED", "result": null}'
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_while_a_node_is_silent_nothing_counts_as_lost(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node(answers=False)
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_where_queues_cannot_be_scanned_nothing_counts_as_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot_be_known(self: object, queue_names: object, *, among: object) -> None:
        return None

    monkeypatch.setattr(FakeQueueReader, "held_task_ids", cannot_be_known)
    task_id = await world.add_dispatched()
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_an_end_that_the_backend_knows_is_repaired(world: World) -> None:
    task_id = await world.add_dispatched()
    world.broker.metas[task_id] = b'{"status": "SUCCESS", "result": 5}'
    assert await world.look(task_id) == sweep.ROUND_SECONDS
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.status))).scalar_one() == "COMPLETED"


async def test_one_process_at_a_time_sweeps(world: World) -> None:
    task_id = await world.add_dispatched()
    world.broker.metas[task_id] = b'{"status": "SUCCESS", "result": 5}'
    async with world.engine.begin() as other:
        assert await leadership.take(other, leadership.SWEEP)
        assert await world.look(task_id) == sweep.ROUND_SECONDS
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.status))).scalar_one() == "PENDING"
