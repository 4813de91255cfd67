"""What dead workers held, against a real Postgres and Redis and the gateway in memory."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.broker_options import BrokerOptions
from domain.facts import Fact, worker_event_key
from domain.redis_keys import process_key
from domain.states import EventType
from domain.workers.status import SILENCE, Heartbeat, is_shared
from gateway.connection import redis_client
from gateway.control import HeldTask
from gateway.messages import TaskMessage
from loops.lost import dead_workers
from loops.lost.dead_workers import DeadWorkersRound, Gateway
from services.cancels.cancel import request_cancel
from services.dispatch import dispatch_due
from services.record import News, record
from services.timeline import read_task_history
from store.queries import gaps, leadership, submissions
from store.queries.tasks.documents import get_task
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from store.tables.workers import workers as worker_rows
from tests.authors import AUTHOR
from tests.fakes.gateway import (
    FakeBroker,
    FakeControl,
    FakeMessageMover,
    FakePresence,
    FakePublisher,
    FakeQueueReader,
    FakeResultReader,
)
from tests.submissions import make_submission

RECEIVED, STARTED = EventType.RECEIVED, EventType.STARTED
DEAD, LIVING = "celery@dead", "celery@living"
DIED = timedelta(seconds=16)


class World:
    """One node that died 16 s ago, another that is well, and a mirror that has heard everything."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self.engine, self.redis, self.broker = engine, redis, FakeBroker()
        self.presence = FakePresence(self.broker)
        gateway = Gateway(
            self.presence,
            FakeMessageMover(self.broker),
            FakeQueueReader(self.broker),
            FakeControl(self.broker),
            FakeResultReader(self.broker),
        )
        self.round = DeadWorkersRound(engine, gateway, redis=redis, between_looks=timedelta(microseconds=1))
        self._clock = 0

    async def set_up(self) -> None:
        await self.redis.set(process_key("mirror"), "now")
        await self.hear(DEAD, ago=DIED)
        await self.hear(LIVING)
        self.broker.nodes[LIVING] = None  # type: ignore[assignment]

    async def hear(
        self,
        node: str,
        *,
        ago: timedelta = timedelta(0),
        plugin: str | None = None,
        acks_late: bool = False,
        tells_options: bool = True,
        **told: datetime,
    ) -> None:
        at = datetime.now(UTC) - ago
        async with self.engine.begin() as connection:
            await nodes.hear(connection, [Heartbeat(node, heard_at=at, at=at, pid=1, **told)])  # type: ignore[arg-type]
            late = frozenset({"celeriac.add"}) if acks_late else frozenset[str]()
            names = ["celeriac.add"]
            told_of = Description(
                node,
                1,
                "prefork",
                1,
                1,
                ["celery"],
                names,
                plugin,
                acks_late=late,
                broker_options=asdict(BrokerOptions()) if tells_options else None,
            )
            await descriptions.save_description(connection, told_of)

    async def add_held(self, *kinds: EventType, unacknowledged: bool = True, node: str = DEAD) -> str:
        """A task that the node has received, or started, 20 s ago."""
        submission = make_submission()
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
        async with self.engine.begin() as connection:
            await dispatch_due(connection, FakePublisher(self.broker))
        message = self.broker.queues["celery"].pop()
        if unacknowledged:
            self.broker.unacknowledged[message.task_id] = message
        async with self.engine.begin() as connection:
            await record(connection, News([self.told(kind, node, message=message) for kind in kinds or (RECEIVED,)]))
        return submission.task_id

    def told(self, kind: EventType, node: str, *, message: TaskMessage, ago: float = 20) -> Fact:
        self._clock += 1
        at = datetime.now(UTC) - timedelta(seconds=ago)
        key = worker_event_key(kind, node, pid=1, clock=self._clock)
        return Fact(message.task_id, kind, at, key, node, 1, self._clock, 0 if kind is RECEIVED else None)

    async def state(self, task_id: str) -> tuple[str, str, str]:
        """Status, phase, and state of the first attempt."""
        async with self.engine.connect() as connection:
            task = await get_task(connection, task_id)
        assert task is not None
        return task.status, task.phase, task.attempts[0]["state"]

    def waiting(self) -> list[str]:
        return [message.task_id for message in self.broker.queues["celery"]]


@pytest.fixture
async def world(engine: AsyncEngine, redis_url: str) -> AsyncIterator[World]:
    redis = redis_client(redis_url)
    world = World(engine, redis)
    await world.set_up()
    yield world
    await redis.aclose()


async def test_what_a_dead_worker_had_prefetched_goes_back_to_its_queue_once(world: World) -> None:
    held = [await world.add_held() for _ in range(3)]
    assert await world.round.run_once() == dead_workers.ROUND_SECONDS
    assert sorted(world.waiting()) == held
    assert {await world.state(task_id) for task_id in held} == {("PENDING", "queued", "LOST")}
    await world.round.run_once()
    assert len(world.waiting()) == 3


async def test_a_run_that_was_not_acknowledged_is_lost_and_runs_again(world: World) -> None:
    task_id = await world.add_held(RECEIVED, STARTED)
    await world.round.run_once()
    assert (world.waiting(), await world.state(task_id)) == ([task_id], ("PENDING", "queued", "LOST"))


async def test_a_run_that_was_acknowledged_has_failed_once_nothing_of_it_is_found_twice(world: World) -> None:
    task_id = await world.add_held(RECEIVED, STARTED, unacknowledged=False)
    await world.round.run_once()
    assert await world.state(task_id) == ("RUNNING", "running", "STARTED")
    await world.round.run_once()
    assert await world.state(task_id) == ("FAILED", "finished", "LOST")
    async with world.engine.connect() as connection:
        task = await get_task(connection, task_id)
        history = await read_task_history(connection, task_id)
    assert task is not None
    assert task.error == f"WorkerLost: {DEAD} ended while it held this task, and no message of it is left."
    assert history.entries[-1].type is EventType.LOST


async def test_a_rescue_that_was_cut_off_after_the_move_is_recorded_by_the_next(world: World) -> None:
    task_id = await world.add_held()
    await FakeMessageMover(world.broker).put_back([task_id])
    await world.round.run_once()
    assert (world.waiting(), await world.state(task_id)) == ([task_id], ("PENDING", "queued", "LOST"))


async def test_a_cancelled_task_is_not_put_back(world: World) -> None:
    held, running = await world.add_held(), await world.add_held(RECEIVED, STARTED, unacknowledged=False)
    for task_id in (held, running):
        async with world.engine.begin() as connection:
            await request_cancel(connection, task_id, author=AUTHOR)
    await world.round.run_once()
    assert (world.waiting(), world.broker.unacknowledged) == ([], {})
    assert await world.state(held) == await world.state(running) == ("CANCELLED", "finished", "LOST")


async def test_a_task_that_had_ended_before_its_worker_died_is_not_put_back(world: World) -> None:
    task_id = await world.add_held(RECEIVED, STARTED)
    world.broker.metas[task_id] = b'{"status": "SUCCESS", "result": 5, "retries": 0}'
    await world.round.run_once()
    assert (world.waiting(), (await world.state(task_id))[0]) == ([], "COMPLETED")


async def test_a_silent_worker_that_is_still_connected_keeps_what_it_holds(world: World) -> None:
    task_id = await world.add_held()
    world.presence.connected.add(DEAD)
    assert await world.round.run_once() == dead_workers.UNPROVEN_SECONDS
    assert (world.waiting(), await world.state(task_id)) == ([], ("PENDING", "reserved", "RECEIVED"))


async def test_nothing_is_moved_while_the_mirror_does_not_hear(world: World) -> None:
    await world.add_held()
    await world.redis.delete(process_key("mirror"))
    assert await world.round.run_once() == dead_workers.UNPROVEN_SECONDS
    await world.redis.set(process_key("mirror"), "now")
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        await gaps.add_gap(connection, source="broker", started_at=now - SILENCE, ended_at=now - timedelta(seconds=5))
    await world.round.run_once()
    assert world.waiting() == []


async def test_a_worker_with_the_plugin_is_dead_only_when_its_sign_of_life_has_faded(world: World) -> None:
    task_id = await world.add_held()
    await world.hear(DEAD, ago=DIED, plugin="1.0")
    await world.redis.set(f"celeriac:node:{DEAD}", "boot")
    await world.round.run_once()
    assert world.waiting() == []
    await world.redis.delete(f"celeriac:node:{DEAD}")
    await world.round.run_once()
    assert world.waiting() == [task_id]


async def test_a_stock_worker_that_said_goodbye_may_still_run_what_it_holds(world: World) -> None:
    await world.add_held(RECEIVED, STARTED)
    await world.hear(DEAD, ago=DIED, goodbye_at=datetime.now(UTC))
    await world.round.run_once()
    assert world.waiting() == []
    await world.hear(DEAD, ago=DIED, goodbye_at=datetime.now(UTC), plugin="1.0")
    await world.round.run_once()
    assert len(world.waiting()) == 1


async def test_what_another_worker_holds_by_now_is_left_to_it(world: World) -> None:
    task_id = await world.add_held()
    world.broker.holders[task_id] = HeldTask(LIVING, "active")
    await world.round.run_once()
    assert (world.waiting(), list(world.broker.unacknowledged)) == ([], [task_id])


@pytest.mark.parametrize("ended", [False, True])
async def test_an_attempt_that_another_has_outrun_is_lost_and_nothing_is_moved(world: World, ended: bool) -> None:
    task_id = await world.add_held(RECEIVED, STARTED)
    message = world.broker.unacknowledged[task_id]
    kinds = (RECEIVED, STARTED, EventType.SUCCEEDED) if ended else (RECEIVED, STARTED)
    async with world.engine.begin() as connection:
        await record(connection, News([world.told(kind, LIVING, message=message, ago=5) for kind in kinds]))
    if not ended:
        world.broker.holders[task_id] = HeldTask(LIVING, "active")
    await world.round.run_once()
    assert await world.state(task_id) == (("COMPLETED", "finished") if ended else ("RUNNING", "running")) + ("LOST",)
    assert (world.waiting(), list(world.broker.unacknowledged)) == ([], [task_id])


async def test_a_new_process_of_the_same_name_tells_what_its_predecessor_lost(world: World) -> None:
    held, lost = await world.add_held(), await world.add_held()
    await world.hear(DEAD, online_at=datetime.now(UTC) - timedelta(seconds=1))
    await world.round.run_once()
    assert world.waiting() == [], "it has not answered yet"
    world.broker.nodes[DEAD] = None  # type: ignore[assignment]
    world.broker.holders[held] = HeldTask(DEAD, "reserved")
    await world.round.run_once()
    assert world.waiting() == [lost]


async def test_a_new_process_proves_nothing_while_the_first_is_heard_or_answers_beside_it(world: World) -> None:
    await world.add_held()
    now = datetime.now(UTC)
    world.broker.nodes[DEAD] = None  # type: ignore[assignment]
    for pid, ago in ((1, 13), (2, 12), (1, 1)):
        at = now - timedelta(seconds=ago)
        online_at = at if pid == 2 else None
        async with world.engine.begin() as connection:
            beat = Heartbeat(DEAD, heard_at=at, at=at, pid=pid, online_at=online_at)
            await nodes.hear(connection, [beat])
    await world.round.run_once()
    assert world.waiting() == [], "both are heard"
    await forget_other_lives(world.engine)
    world.broker.twins.add(DEAD)
    await world.round.run_once()
    assert world.waiting() == [], "both answer"
    async with world.engine.connect() as connection:
        worker = await nodes.get_worker(connection, node=DEAD)
    assert worker is not None
    assert is_shared(other_life_at=worker.other_life_at, online_at=worker.online_at, now=datetime.now(UTC))
    world.broker.twins.clear()
    await forget_other_lives(world.engine)
    await world.round.run_once()
    assert len(world.waiting()) == 1


async def forget_other_lives(engine: AsyncEngine) -> None:
    """As if 15 s had passed."""
    async with engine.begin() as connection:
        await connection.execute(update(worker_rows).values(other_life_at=datetime.now(UTC) - 2 * SILENCE))


@pytest.mark.parametrize(
    ("kinds", "acks_late", "plugin", "status"),
    [
        ((RECEIVED,), False, None, "PENDING"),
        ((RECEIVED, STARTED), True, None, "PENDING"),
        ((RECEIVED, STARTED), False, None, "FAILED"),
        ((RECEIVED,), False, "1.0", "FAILED"),
    ],
)
async def test_what_was_not_acknowledged_and_is_not_found_may_lie_elsewhere(
    world: World, kinds: tuple[EventType, ...], acks_late: bool, plugin: str | None, status: str
) -> None:
    task_id = await world.add_held(*kinds, unacknowledged=False)
    await world.hear(DEAD, ago=DIED, acks_late=acks_late, plugin=plugin)
    for _ in range(2):
        await world.round.run_once()
    async with world.engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    assert (task.status, bool(task.doubt)) == (status, status == "PENDING")


async def test_a_run_of_which_something_unreadable_is_stored_is_not_called_failed(world: World) -> None:
    task_id = await world.add_held(RECEIVED, STARTED, unacknowledged=False)
    world.broker.metas[task_id] = b"\x80\x05pickled"
    for _ in range(3):
        await world.round.run_once()
    assert (await world.state(task_id))[0] == "RUNNING"


@pytest.mark.parametrize("place", ["on RabbitMQ", "where nobody looks"])
@pytest.mark.parametrize(
    ("kinds", "acks_late", "end"),
    [
        ((RECEIVED,), False, ("PENDING", "queued", "LOST")),
        ((RECEIVED, STARTED), True, ("PENDING", "queued", "LOST")),
        ((RECEIVED, STARTED), False, ("FAILED", "finished", "LOST")),
    ],
)
async def test_of_what_cannot_be_looked_for_it_is_told_by_how_the_task_is_acknowledged(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    kinds: tuple[EventType, ...],
    acks_late: bool,
    end: tuple[str, str, str],
    place: str,
) -> None:
    async def unreadable(*args: object, **options: object) -> None:
        return None

    if place == "on RabbitMQ":
        monkeypatch.setattr(FakeQueueReader, "ids_in_queues", unreadable)
    else:
        await world.hear(LIVING, tells_options=False)
    task_id = await world.add_held(*kinds, unacknowledged=False)
    await world.hear(DEAD, ago=DIED, acks_late=acks_late, plugin="1.0")
    for _ in range(2):
        await world.round.run_once()
    assert await world.state(task_id) == end


async def test_only_one_process_at_a_time_moves_messages(world: World) -> None:
    await world.add_held()
    async with world.engine.begin() as other:
        assert await leadership.take(other, leadership.DEAD_WORKERS)
        await world.round.run_once()
    assert world.waiting() == []
