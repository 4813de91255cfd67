from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.broker_options import BrokerOptions
from domain.facts import Detail, Fact
from domain.proofs import ServerLife
from domain.states import EventType
from domain.workers.status import Heartbeat
from gateway.connection import redis_client
from gateway.control import HeldTask
from gateway.messages import TaskMessage
from loops.lost import missed_ends
from loops.lost.missed_ends import MissedEndsRound
from services.lost.proofs import Proofs
from services.record import News, record
from store.queries import leadership, submissions
from store.queries.tasks.documents import get_task
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from store.tables.tasks import outbox, tasks
from store.tables.workers import workers as worker_rows
from tests.fakes.gateway import FakeBroker, FakeControl, FakePresence, FakeQueueReader, FakeResultReader
from tests.submissions import make_submission

NODE = "celery@one"
LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)


@dataclass
class World:
    """A sweep with all that it looks at. Looks follow each other at once, and count as far enough apart."""

    engine: AsyncEngine
    redis: Redis
    broker: FakeBroker = field(default_factory=FakeBroker)

    def __post_init__(self) -> None:
        self.round = self.make_round()

    def make_round(
        self, *, resend_unproven: bool = False, between_looks: timedelta = timedelta(microseconds=1)
    ) -> MissedEndsRound:
        self.presence = FakePresence(self.broker)
        proofs = Proofs(self.engine, FakeControl(self.broker), presence=self.presence, redis=self.redis)
        results, queues = FakeResultReader(self.broker), FakeQueueReader(self.broker)
        return MissedEndsRound(
            self.engine,
            results,
            queues=queues,
            proofs=proofs,
            resend_unproven=resend_unproven,
            between_looks=between_looks,
            asked_again=timedelta(0),
        )

    async def add_dispatched(self, *, number: int = 1) -> str:
        """A task of which nothing was heard since its dispatch, by the server's life `one`."""
        submission = make_submission(created_at=LONG_AGO)
        details: dict[str, Detail] = {"dispatch_no": number, "broker": "one"}
        facts = [Fact(submission.task_id, EventType.DISPATCHED, LONG_AGO, f"dispatched:{number}", details=details)]
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

    async def get_message(self, task_id: str) -> str | None:
        """Why it is not sent again, as the task itself says."""
        async with self.engine.connect() as connection:
            task = await get_task(connection, task_id)
        assert task is not None
        return task.doubt

    async def add_node(
        self,
        node: str = NODE,
        *,
        answers: bool = True,
        gated: bool = True,
        described: bool = True,
        online: bool = True,
        tells_options: bool = True,
        heard_at: datetime | None = None,
    ) -> None:
        """A node that takes from the queue; `gated` is one that tells of all that begins there."""
        at = heard_at or datetime.now(UTC) - timedelta(seconds=0 if online else 30)
        async with self.engine.begin() as connection:
            await nodes.hear(connection, [Heartbeat(node, heard_at=at, at=at, pid=1, streamed=gated, online_at=at)])
            gates = ("cancel_gate",) if gated else ()
            description = Description(
                node,
                1,
                "prefork",
                1,
                1,
                ["celery"],
                ["celeriac.add"],
                "1" if gated else None,
                capabilities=gates,
                broker_options=asdict(BrokerOptions()) if tells_options else None,
            )
            if described:
                await descriptions.save_description(connection, description)
        if answers:
            self.broker.nodes[node] = None  # type: ignore[assignment]


@pytest.fixture
async def world(engine: AsyncEngine, redis_url: str) -> AsyncIterator[World]:
    redis = redis_client(redis_url)
    yield World(engine, redis)
    await redis.aclose()


def message(task_id: str) -> TaskMessage:
    return TaskMessage(task_id, "celeriac.add", [], {}, "celery", 5, None, None, 1)


async def test_a_dispatch_missing_twice_is_lost_and_goes_back_to_the_outbox(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    await world.look(task_id)
    assert await world.in_outbox() == [], "a message may be between two lists while we look"
    await world.look(task_id)
    assert await world.in_outbox() == [task_id]


async def test_rounds_in_which_it_is_the_turn_of_others_do_not_make_it_forgotten(world: World) -> None:
    lost, other = await world.add_dispatched(), await world.add_dispatched()
    await world.add_node()
    world.broker.queues["celery"].append(message(other))
    await world.look(lost)
    await world.look(other)
    await world.look()
    await world.look(lost)
    assert await world.in_outbox() == [lost]


async def test_a_task_found_again_in_between_is_not_lost(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    await world.look(task_id)
    world.broker.queues["celery"].append(message(task_id))
    await world.look(task_id)
    world.broker.queues.clear()
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_two_looks_too_close_together_prove_nothing(world: World) -> None:
    world.round = world.make_round(between_looks=timedelta(seconds=60))
    task_id = await world.add_dispatched()
    await world.add_node()
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


@pytest.mark.parametrize("place", ["queue", "unacknowledged", "worker", "backend", "unreadable", "gate"])
async def test_a_task_found_anywhere_is_not_lost(world: World, place: str) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    if place == "queue":
        world.broker.queues["celery"].append(message(task_id))
    elif place == "unacknowledged":
        world.broker.unacknowledged[task_id] = message(task_id)
    elif place == "worker":
        world.broker.holders[task_id] = HeldTask(node=NODE, phase="reserved")
    elif place == "gate":
        await world.redis.set(f"celeriac:run:{task_id}:0:1", f"{NODE}|boot|finished")
    else:
        stored = b'{"status": "STARTED", "result": null}' if place == "backend" else b"\x80\x05pickled"
        world.broker.metas[task_id] = stored
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


@pytest.mark.parametrize(
    "fleet",
    [
        [],
        [{"answers": False}],
        [{"gated": False}],
        [{}, {"node": "celery@stock", "gated": False}],
        [{}, {"node": "celery@deaf", "described": False, "answers": False}],
        [{}, {"node": "celery@left", "described": False, "answers": False, "online": False}],
        [{}, {"node": "celery@gone", "gated": False, "answers": False, "online": False}],
        [{}, {"node": "celery@gone", "tells_options": False, "answers": False, "online": False}],
    ],
    ids=["nobody", "silent", "mute", "one of two is mute", "deaf", "deaf and gone", "mute and gone", "secret and gone"],
)
async def test_silence_is_no_proof(world: World, fleet: list[dict[str, Any]]) -> None:
    task_id = await world.add_dispatched()
    for node in fleet:
        await world.add_node(**node)
    for _ in range(3):
        await world.look(task_id)
    assert await world.in_outbox() == []
    assert "It is not sent again by itself:" in (await world.get_message(task_id) or "")


async def test_who_was_gone_before_it_was_sent_and_never_said_where_it_keeps_messages_has_it_not(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    before = LONG_AGO - timedelta(minutes=1)
    await world.add_node("celery@gone", tells_options=False, answers=False, online=False, heard_at=before)
    for _ in range(2):
        await world.look(task_id)
    assert await world.in_outbox() == [task_id]


@pytest.mark.parametrize("stranger", ["unknown", "twin", "no answer", "listener"])
async def test_where_more_listen_than_are_known_to_have_answered_nothing_is_proven(world: World, stranger: str) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    if stranger == "unknown":
        world.broker.nodes["mute@nowhere"] = None  # type: ignore[assignment]
    elif stranger == "twin":
        world.broker.twins.add(NODE)
    elif stranger == "no answer":
        world.broker.mute.add(NODE)
    else:
        world.presence.connected.add("celery@solo")
    for _ in range(3):
        await world.look(task_id)
    assert await world.in_outbox() == []
    assert await world.get_message(task_id)


async def test_between_a_broker_and_a_worker_that_are_well_nothing_vanishes(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    async with world.engine.begin() as connection:
        await connection.execute(update(worker_rows).values(online_at=LONG_AGO - timedelta(minutes=5)))
    for _ in range(3):
        await world.look(task_id)
    assert await world.in_outbox() == []
    assert await world.get_message(task_id)
    world.broker.life = ServerLife("two", None)
    for _ in range(2):
        await world.look(task_id)
    assert await world.in_outbox() == [task_id]


async def test_what_a_worker_once_said_it_has_stays_received(world: World) -> None:
    task_id = await world.add_dispatched()
    await world.add_node()
    world.broker.holders[task_id] = HeldTask(node=NODE, phase="reserved")
    await world.look(task_id)
    world.broker.holders.clear()
    for _ in range(3):
        await world.look(task_id)
    assert await world.in_outbox() == []
    async with world.engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    assert (task.phase, task.node) == ("reserved", NODE)


async def test_where_the_broker_was_started_again_more_resends_are_allowed(world: World) -> None:
    again, often = await world.add_dispatched(number=2), await world.add_dispatched(number=5)
    await world.add_node()
    for _ in range(2):
        await world.look(again, often)
    assert await world.in_outbox() == [], "it vanished twice from a broker that lost nothing"
    assert "it was sent 2 times and vanished each time" in (await world.get_message(again) or "")
    world.broker.life = ServerLife("two", None)
    for _ in range(2):
        await world.look(again, often)
    assert await world.in_outbox() == [again]
    assert await world.get_message(again) is None


async def test_without_proof_a_task_is_sent_again_once_where_the_setting_allows_it(world: World) -> None:
    first, second = await world.add_dispatched(), await world.add_dispatched(number=2)
    world.round = world.make_round(resend_unproven=True)
    for _ in range(2):
        await world.look(first, second)
    assert await world.in_outbox() == [first]
    assert await world.get_message(second)


async def test_where_queues_cannot_be_scanned_nothing_counts_as_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot_be_known(self: object, queue_names: object, *, among: object) -> None:
        return None

    monkeypatch.setattr(FakeQueueReader, "ids_in_queues", cannot_be_known)
    task_id = await world.add_dispatched()
    await world.add_node()
    await world.look(task_id)
    await world.look(task_id)
    assert await world.in_outbox() == []


async def test_an_end_that_the_backend_knows_is_repaired(world: World) -> None:
    task_id = await world.add_dispatched()
    world.broker.metas[task_id] = b'{"status": "SUCCESS", "result": 5}'
    assert await world.look(task_id) == missed_ends.ROUND_SECONDS
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.status))).scalar_one() == "COMPLETED"


async def test_one_process_at_a_time_sweeps(world: World) -> None:
    task_id = await world.add_dispatched()
    world.broker.metas[task_id] = b'{"status": "SUCCESS", "result": 5}'
    async with world.engine.begin() as other:
        assert await leadership.take(other, leadership.MISSED_ENDS)
        assert await world.look(task_id) == missed_ends.ROUND_SECONDS
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.status))).scalar_one() == "PENDING"
