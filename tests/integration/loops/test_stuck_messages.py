"""Messages in a real Valkey that some consumer has fetched, and workers that say what they have."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import redis
from kombu import Connection, Queue
from redis.asyncio import Redis
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from domain.facts import Fact, worker_event_key
from domain.redis_keys import process_key
from domain.states import EventType
from domain.workers.status import Heartbeat
from gateway.connection import redis_client
from gateway.control import ActiveTask, HeldTask
from gateway.layout import Layout
from gateway.message_mover import MessageMover
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from loops.lost.stuck_messages import StuckMessagesRound
from services.lost.proofs import Proofs
from services.record import News, record
from store.queries import leadership, submissions
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from store.tables.workers import workers as worker_rows
from tests.fakes.gateway import FakeBroker, FakeControl, FakePresence
from tests.gateway_messages import make_message
from tests.submissions import make_submission

NODE, SILENT = "celery@one", "celery@two"
KNOWN = Layout(BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS))
LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)


@dataclass
class World:
    """A round with all that it asks. Looks follow each other at once, and count as far enough apart."""

    engine: AsyncEngine
    broker_url: str
    redis: Redis
    answers: FakeBroker = field(default_factory=FakeBroker)

    def __post_init__(self) -> None:
        self.publisher, self.queues = Publisher(self.broker_url), QueueReader(self.broker_url)
        self.mover, self.presence = MessageMover(self.broker_url, KNOWN), FakePresence(self.answers)
        self.consumer = Connection(self.broker_url)
        proofs = Proofs(self.engine, FakeControl(self.answers), presence=self.presence, redis=self.redis)
        self.round = StuckMessagesRound(
            self.engine,
            self.mover,
            proofs=proofs,
            presence=self.presence,
            redis=self.redis,
            between_looks=timedelta(microseconds=1),
        )

    async def add_node(self, node: str = NODE, *, ago: timedelta = timedelta(0), plugin: str | None = "1") -> None:
        at = datetime.now(UTC) - ago
        async with self.engine.begin() as connection:
            beat = Heartbeat(node, heard_at=at, at=at, pid=1, online_at=at)
            await nodes.hear(connection, [beat])
            gates = ("cancel_gate",) if plugin else ()
            described = Description(node, 1, "prefork", 1, 1, ["celery"], ["celeriac.add"], plugin, capabilities=gates)
            await descriptions.save_description(connection, described)

    async def add_fetched(self, *heard: EventType, ago: timedelta = timedelta(minutes=2)) -> str:
        """A dispatched task whose message a consumer fetched so long ago; its id."""
        submission = make_submission(created_at=LONG_AGO)
        dispatched = Fact(
            submission.task_id, EventType.DISPATCHED, LONG_AGO, "dispatched:1", details={"dispatch_no": 1}
        )
        told = [
            Fact(
                submission.task_id,
                type_,
                LONG_AGO,
                worker_event_key(type_, NODE, pid=1, clock=clock),
                NODE,
                1,
                clock,
                0,
            )
            for clock, type_ in enumerate(heard, start=1)
        ]
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
            await record(connection, News([dispatched, *told]))
        await self.publisher.publish([make_message(task_id=submission.task_id)])
        assert Queue("celery", channel=self.consumer.default_channel).get() is not None
        with redis.Redis.from_url(self.broker_url) as client:
            (newest,) = client.zrange("unacked_index", -1, -1)
            client.zadd("unacked_index", {newest: (datetime.now(UTC) - ago).timestamp()})
        return submission.task_id

    async def look(self, times: int = 2) -> dict[str, int]:
        """What waits in the queue after so many looks."""
        for _ in range(times):
            await self.round.run_once()
        return await self.queues.depths(["celery"])


@pytest.fixture
async def world(engine: AsyncEngine, broker_url: str, redis_url: str) -> AsyncIterator[World]:
    world = World(engine, broker_url, redis_client(redis_url))
    await world.redis.set(process_key("mirror"), "now")
    await world.add_node()
    world.answers.nodes[NODE] = None  # type: ignore[assignment]
    async with AsyncExitStack() as stack:
        for room in (world.publisher, world.queues, world.mover):
            stack.push_async_callback(room.close)
        stack.push_async_callback(world.redis.aclose)
        yield world
        world.consumer.release()


async def test_what_was_fetched_and_no_worker_has_goes_back_once_into_its_queue(world: World) -> None:
    task_id = await world.add_fetched()
    assert await world.look(1) == {"celery": 0}, "a worker may be about to tell"
    assert await world.look(1) == {"celery": 1}
    assert await world.look(3) == {"celery": 1}
    assert await world.queues.ids_in_queues(["celery"]) == {task_id}


async def test_a_retry_on_its_way_goes_back_too(world: World) -> None:
    await world.add_fetched(EventType.RECEIVED, EventType.STARTED, EventType.RETRIED)
    assert await world.look() == {"celery": 1}


async def test_what_a_worker_has_or_runs_stays_with_it(world: World) -> None:
    held, running = await world.add_fetched(), await world.add_fetched()
    world.answers.holders[held] = HeldTask(NODE, "reserved")
    world.answers.active[running] = ActiveTask(NODE, 7, LONG_AGO)
    assert await world.look(3) == {"celery": 0}


async def test_what_was_fetched_a_moment_ago_is_left_alone(world: World) -> None:
    await world.add_fetched(ago=timedelta(seconds=50))
    assert await world.look(3) == {"celery": 0}


@pytest.mark.parametrize(("plugin", "back"), [("1", 1), (None, 0)])
async def test_what_a_worker_received_goes_back_only_where_the_plugin_keeps_it_from_running_twice(
    world: World, plugin: str | None, back: int
) -> None:
    await world.add_node(plugin=plugin)
    await world.add_fetched(EventType.RECEIVED)
    assert await world.look() == {"celery": back}


async def test_nothing_is_moved_while_a_node_does_not_answer(world: World) -> None:
    await world.add_fetched()
    world.answers.nodes.clear()
    assert await world.look(3) == {"celery": 0}


async def test_nothing_is_moved_while_a_silent_node_is_connected(world: World) -> None:
    await world.add_node(SILENT, ago=timedelta(minutes=5))
    world.presence.connected.add(SILENT)
    await world.add_fetched()
    assert await world.look(3) == {"celery": 0}
    world.presence.connected.clear()
    assert await world.look() == {"celery": 1}


@pytest.mark.parametrize("stranger", ["mute", "unknown", "twin"])
async def test_what_somebody_may_have_whom_we_cannot_ask_is_left_to_the_broker(world: World, stranger: str) -> None:
    await world.add_fetched()
    if stranger == "mute":
        await world.add_node("celery@mute", plugin=None)
    world.answers.nodes["celery@mute"] = None  # type: ignore[assignment]
    if stranger == "twin":
        await world.add_node("celery@mute")
        world.answers.twins.add("celery@mute")
    assert await world.look(3) == {"celery": 0}


async def test_where_no_known_worker_lost_its_connection_somebody_else_has_fetched_it(world: World) -> None:
    async with world.engine.begin() as connection:
        connected = datetime.now(UTC) - timedelta(minutes=10)
        await connection.execute(update(worker_rows).values(online_at=connected))
    await world.add_fetched()
    assert await world.look(3) == {"celery": 0}


async def test_what_a_worker_once_said_it_has_stays_with_it(world: World) -> None:
    task_id = await world.add_fetched()
    world.answers.active[task_id] = ActiveTask(NODE, 7, LONG_AGO)
    await world.look(1)
    world.answers.active.clear()
    assert await world.look(3) == {"celery": 0}


async def test_nothing_is_moved_while_the_mirror_does_not_hear(world: World) -> None:
    await world.add_fetched()
    await world.redis.delete(process_key("mirror"))
    assert await world.look(3) == {"celery": 0}


async def test_a_message_fetched_again_meanwhile_stays(world: World) -> None:
    await world.add_fetched()
    begun = datetime.now(UTC)
    (old,) = await world.mover.list_fetched(before=begun, limit=10)
    assert await world.mover.put_back({old.task_id}) == {old.task_id}
    assert Queue("celery", channel=world.consumer.default_channel).get() is not None
    assert await world.mover.put_back_fetched([old], before=begun) == frozenset()
    assert await world.queues.depths(["celery"]) == {"celery": 0}


async def test_one_process_at_a_time_looks(world: World) -> None:
    await world.add_fetched()
    async with world.engine.begin() as connection:
        assert await leadership.take(connection, leadership.STUCK_MESSAGES)
        assert await world.look(3) == {"celery": 0}
