from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.alerts.rules import DEFAULT_RULES
from domain.broker_options import BrokerOptions
from domain.degradation import BlockedWork
from domain.facts import Fact, worker_event_key
from domain.identities import Identity
from domain.states import EventType
from domain.workers.status import Heartbeat
from gateway.control import ActiveTask, HeldTask
from gateway.messages import TaskMessage
from gateway.results.metas import NO_META
from loops.lost import vanished_tasks
from loops.lost.vanished_tasks import VanishedTasksRound
from services.alerts import measure
from services.record import News, record
from services.timeline import TaskHistory, read_task_history
from store.queries import gaps, leadership
from store.queries.tasks.documents import TaskOutline
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from tests.fakes.gateway import FakeBroker, FakeControl, FakeQueueReader, FakeResultReader

NODE, OTHER = "celery@one", "celery@two"
TASK_ID = "task-1"
RECEIVED, STARTED, SUCCEEDED = EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED
ENDED = EventType.ENDED
LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)


@dataclass
class World:
    """A round with all that it asks. A moment counts as long enough."""

    engine: AsyncEngine
    broker: FakeBroker = field(default_factory=FakeBroker)

    def __post_init__(self) -> None:
        control, queues, results = FakeControl(self.broker), FakeQueueReader(self.broker), FakeResultReader(self.broker)
        self.round = VanishedTasksRound(self.engine, control, queues=queues, results=results)

    async def add_node(self, node: str = NODE, *, answers: bool = True, tells_options: bool = True) -> None:
        now = datetime.now(UTC)
        async with self.engine.begin() as connection:
            await nodes.hear(connection, [Heartbeat(node, heard_at=now, at=now, pid=1)])
            options = asdict(BrokerOptions()) if tells_options else None
            description = Description(node, 1, "prefork", 1, 1, ["celery"], ["t"], None, broker_options=options)
            await descriptions.save_description(connection, description)
        if answers:
            self.broker.nodes[node] = None  # type: ignore[assignment]

    async def hear(self, *types: EventType) -> None:
        facts = []
        for clock, event_type in enumerate(types, start=1):
            at, key = LONG_AGO + timedelta(seconds=clock), worker_event_key(event_type, NODE, pid=1, clock=clock)
            retries = 0 if event_type is RECEIVED else None
            facts.append(Fact(TASK_ID, event_type, at, key, NODE, 1, clock, retries))
        async with self.engine.begin() as connection:
            await record(connection, News(facts))

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.round.run_once()

    async def history(self) -> TaskHistory[TaskOutline]:
        async with self.engine.connect() as connection:
            return await read_task_history(connection, TASK_ID)

    async def status(self) -> str:
        return str((await self.history()).task.status)


@pytest.fixture
async def world(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("UNHEARD", "ABSENT"):
        monkeypatch.setattr(vanished_tasks, name, timedelta(microseconds=1))
    world = World(engine)
    await world.add_node()
    return world


def running(node: str = NODE) -> ActiveTask:
    return ActiveTask(node, 7, LONG_AGO + timedelta(seconds=30))


@pytest.mark.parametrize("heard", [(), (RECEIVED,)])
async def test_a_task_that_a_node_runs_is_shown_as_running_though_its_start_was_missed(
    world: World, heard: tuple[EventType, ...]
) -> None:
    await world.hear(*heard)
    world.broker.active[TASK_ID] = running()
    await world.look()
    history = await world.history()
    assert (history.task.status, history.task.node, history.complete) == ("RUNNING", NODE, False)
    assert [entry.type for entry in history.entries] == [*heard, STARTED]


async def test_the_start_that_comes_late_takes_the_place_of_what_was_asked(world: World) -> None:
    world.broker.active[TASK_ID] = running()
    await world.look()
    await world.hear(RECEIVED, STARTED, SUCCEEDED)
    history = await world.history()
    assert (history.task.status, history.complete) == ("COMPLETED", True)
    assert [entry.type for entry in history.entries] == [RECEIVED, STARTED, SUCCEEDED]


async def test_one_look_is_not_enough(world: World) -> None:
    await world.hear(RECEIVED)
    world.broker.active[TASK_ID] = running()
    await world.look(1)
    assert await world.status() == "PENDING"
    world.broker.active.clear()
    await world.look(1)
    assert await world.status() == "PENDING"


@pytest.mark.parametrize("heard", [(RECEIVED,), (RECEIVED, STARTED)])
async def test_a_task_that_nobody_has_any_more_and_of_whose_end_nobody_knows_has_an_unknown_outcome(
    world: World, heard: tuple[EventType, ...]
) -> None:
    await world.hear(*heard)
    await world.look()
    history = await world.history()
    assert (history.task.status, history.task.outcome, history.complete) == ("CANCELLED", "unknown", False)
    assert (history.task.error, history.task.duration_seconds) == (None, None)
    assert [entry.type for entry in history.entries] == [*heard, ENDED]
    assert "heard all the while" in str(history.entries[-1].details["reason"])
    async with world.engine.connect() as connection:
        measured = (await measure(connection, DEFAULT_RULES, blocked=BlockedWork())).inputs
    assert (measured.failed, measured.finished) == (0, 0)
    await world.hear(*heard, SUCCEEDED)
    task = (await world.history()).task
    assert (task.status, task.outcome) == ("COMPLETED", None), "a success that is heard after all wins"


async def test_while_one_has_not_said_where_it_keeps_messages_nothing_counts_as_gone(world: World) -> None:
    await world.add_node(OTHER, tells_options=False)
    await world.hear(RECEIVED)
    await world.look(3)
    assert await world.status() == "PENDING"


async def test_where_something_may_have_been_missed_nothing_is_guessed_of_how_it_ended(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    async with world.engine.begin() as connection:
        now = datetime.now(UTC)
        await gaps.add_gap(connection, source="broker", started_at=LONG_AGO, ended_at=now - timedelta(minutes=1))
    await world.look()
    assert "neither its end nor a result was told" in str((await world.history()).entries[-1].details["reason"])


async def test_a_task_that_only_the_node_told_of_ends_without_a_word_of_events(world: World) -> None:
    world.broker.active[TASK_ID] = running()
    await world.look()
    world.broker.active.clear()
    await world.look()
    history = await world.history()
    assert (history.task.status, history.task.outcome) == ("CANCELLED", "unknown")
    assert "neither its end nor a result was told" in str(history.entries[-1].details["reason"])


async def test_a_task_that_goes_on_as_a_canvas_is_waited_for(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    link = Fact("link", RECEIVED, LONG_AGO + timedelta(seconds=9), "link", NODE, 1, 9, 0)
    async with world.engine.begin() as connection:
        await record(connection, News([link], [Identity("link", "link", root_id=TASK_ID, parent_id=TASK_ID)]))
    world.broker.holders["link"] = HeldTask(NODE, "reserved")
    await world.look()
    assert await world.status() == "RUNNING"
    end = Fact("link", SUCCEEDED, LONG_AGO + timedelta(seconds=10), "end", NODE, 1, 10)
    async with world.engine.begin() as connection:
        await record(connection, News([end]))
    await world.look()
    assert await world.status() == "CANCELLED"


async def test_a_run_that_is_received_after_all_takes_the_place_of_an_unknown_end(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    await world.look()
    again = Fact(TASK_ID, RECEIVED, datetime.now(UTC), "again", OTHER, 1, 1, 0)
    async with world.engine.begin() as connection:
        await record(connection, News([again]))
    task = (await world.history()).task
    assert (task.status, task.phase, task.outcome) == ("PENDING", "reserved", None)


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        (b'{"status": "SUCCESS", "result": 5}', "COMPLETED"),
        (b'{"status": "REVOKED", "result": null}', "CANCELLED"),
    ],
)
async def test_it_ended_as_the_result_backend_says(world: World, meta: bytes, status: str) -> None:
    await world.hear(RECEIVED, STARTED)
    world.broker.metas[TASK_ID] = meta
    await world.look()
    assert await world.status() == status


async def test_what_the_backend_says_of_one_that_was_ignored_is_shown(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    world.broker.metas[TASK_ID] = b'{"status": "SKIPPED", "result": null}'
    await world.look()
    assert (await world.history()).entries[-1].details["backend_state"] == "SKIPPED"


async def test_a_result_that_nobody_can_read_is_named_as_one(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    world.broker.metas[TASK_ID] = b"what is in no form of Celery's"
    await world.look()
    history = await world.history()
    assert (history.task.status, history.task.outcome) == ("CANCELLED", "unknown")
    details = history.entries[-1].details
    assert str(details["reason"]).endswith(f"The result of it {NO_META}.")
    assert "backend_state" not in details


async def test_what_a_worker_or_the_broker_holds_is_left_alone(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    world.broker.holders[TASK_ID] = HeldTask(NODE, "reserved")
    await world.look()
    world.broker.holders.clear()
    world.broker.unacknowledged[TASK_ID] = TaskMessage(TASK_ID, "t", [], {}, "celery", 5, None, None, 1)
    await world.look()
    assert await world.status() == "RUNNING"


async def test_while_a_node_does_not_answer_nothing_is_concluded(world: World) -> None:
    await world.add_node(OTHER, answers=False)
    await world.hear(RECEIVED, STARTED)
    await world.look()
    assert await world.status() == "RUNNING"


async def test_what_a_node_held_that_is_gone_is_not_judged_here(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    async with world.engine.begin() as connection:
        now = datetime.now(UTC)
        await nodes.hear(connection, [Heartbeat(NODE, heard_at=now, at=now, goodbye_at=now)])
    await world.look()
    assert await world.status() == "RUNNING"


async def test_one_process_at_a_time_looks(world: World) -> None:
    await world.hear(RECEIVED, STARTED)
    async with world.engine.begin() as other:
        assert await leadership.take(other, leadership.VANISHED_TASKS)
        await world.look()
    assert await world.status() == "RUNNING"
