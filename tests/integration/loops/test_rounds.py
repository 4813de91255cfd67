"""Each round once, against a real Postgres and the gateway in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from domain.workers import Heartbeat
from gateway.control import NodeDescription
from loops import dispatch, nodes, partitions, queues
from loops.dispatch import DispatchRound
from loops.nodes import NodesRound
from loops.partitions import PartitionsRound
from loops.queues import QueuesRound
from store.queries import submissions, workers
from store.tables import outbox, tasks
from store.worker_tables import workers as table
from tests.fakes.gateway import FakeBroker, FakeControl, FakePublisher, FakeQueueReader
from tests.fakes.marks import FakeMarks
from tests.submissions import make_submission

NODE = "celery@one"
DESCRIPTION = NodeDescription(
    node=NODE,
    pid=1,
    pool="prefork",
    concurrency=2,
    queues=("celery",),
    registered=("celeriac.add",),
    prefetch_count=2,
    plugin="1.0",
    priority_steps=(),
)


async def submit(engine: AsyncEngine, *, due_in: float = 0, **row: object) -> str:
    scheduled_at = datetime.now(UTC) + timedelta(seconds=due_in) if due_in else None
    submission = make_submission(scheduled_at=scheduled_at)
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
        if row:
            await connection.execute(update(tasks).where(tasks.c.task_id == submission.task_id).values(**row))
    return submission.task_id


def dispatch_round(engine: AsyncEngine, broker: FakeBroker) -> DispatchRound:
    return DispatchRound(engine, FakePublisher(broker), marks=FakeMarks(), broker=FakeQueueReader(broker))


async def hear(engine: AsyncEngine, node: str = NODE) -> None:
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await workers.hear(connection, [Heartbeat(node, heard_at=now, at=now, pid=1)])


async def test_dispatch_sends_what_is_due_and_comes_back_for_what_is_next(engine: AsyncEngine) -> None:
    broker = FakeBroker()
    sent = await submit(engine)
    await submit(engine, due_in=0.5)
    pause = await dispatch_round(engine, broker).run_once()
    assert [message.task_id for message in broker.queues["celery"]] == [sent]
    assert dispatch.SHORTEST_PAUSE_SECONDS <= pause <= 0.5


async def test_dispatch_looks_again_in_a_while_where_nothing_is_due_soon(engine: AsyncEngine) -> None:
    round_ = dispatch_round(engine, FakeBroker())
    assert await round_.run_once() == dispatch.POLL_SECONDS
    await submit(engine, due_in=3600)
    assert await round_.run_once() == dispatch.POLL_SECONDS


async def test_dispatch_goes_on_at_once_after_a_full_batch(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BATCH_SIZE", 2)
    monkeypatch.setattr("services.dispatch.BATCH_SIZE", 2)
    for _ in range(3):
        await submit(engine)
    round_ = dispatch_round(engine, FakeBroker())
    assert [await round_.run_once(), await round_.run_once()] == [0, dispatch.POLL_SECONDS]


async def test_dispatch_without_a_broker_leaves_everything(engine: AsyncEngine) -> None:
    task_id = await submit(engine)
    with pytest.raises(BrokerUnavailable):
        await dispatch_round(engine, FakeBroker(available=False)).run_once()
    async with engine.connect() as connection:
        assert (await connection.execute(select(outbox.c.task_id))).scalars().all() == [task_id]


async def test_a_node_that_has_come_online_is_asked_once_what_it_is(engine: AsyncEngine) -> None:
    await hear(engine)
    broker = FakeBroker(nodes={NODE: DESCRIPTION})
    round_ = NodesRound(engine, FakeControl(broker))
    assert await round_.run_once() == nodes.ROUND_SECONDS
    async with engine.connect() as connection:
        worker = await workers.get_worker(connection, node=NODE)
        assert await workers.list_known_task_names(connection, max_age=timedelta(days=1), limit=10) == ["celeriac.add"]
    assert worker is not None
    assert (worker.pool, worker.concurrency, worker.queues, worker.plugin) == ("prefork", 2, ["celery"], "1.0")
    broker.available = False
    await round_.run_once()


async def test_a_node_that_does_not_answer_is_asked_again(engine: AsyncEngine) -> None:
    await hear(engine)
    await NodesRound(engine, FakeControl(FakeBroker())).run_once()
    async with engine.connect() as connection:
        assert await workers.list_undescribed(connection, max_age=nodes.MAX_AGE) == [NODE]


async def test_partitions_are_kept_ready(engine: AsyncEngine) -> None:
    last = f"events_{datetime.now(UTC) + timedelta(days=partitions.DAYS_AHEAD):%Y%m%d}"
    async with engine.begin() as connection:
        await connection.execute(text(f"drop table {last}"))
    assert await PartitionsRound(engine).run_once() == partitions.ROUND_SECONDS
    async with engine.connect() as connection:
        assert (await connection.execute(text(f"select to_regclass('{last}')"))).scalar_one() == last


async def test_a_queue_that_nobody_consumes_is_given_to_a_worker_of_ours_unless_it_is_a_key_of_something_else(
    engine: AsyncEngine,
) -> None:
    await hear(engine)
    broker = FakeBroker(nodes={NODE: DESCRIPTION}, foreign=frozenset({"cart"}))
    control = FakeControl(broker)
    await NodesRound(engine, control).run_once()
    for queue_name in ("math", "cart", "unacked", "_kombu.binding.celery", "celeryev"):
        await submit(engine, phase="queued", queue_name=queue_name)
    look = QueuesRound(engine, control, FakeQueueReader(broker))
    with capture_logs() as logs:
        assert await look.run_once() == queues.ROUND_SECONDS
        await look.run_once()
    left_alone = [line["queue"] for line in logs if line["event"] == "queue_left_alone"]
    assert left_alone == ["_kombu.binding.celery", "cart", "celeryev", "unacked"]
    async with engine.connect() as connection:
        assert await workers.list_consumers(connection) == [(NODE, ["celery", "math"])]


async def test_of_names_that_never_answer_only_the_newest_are_kept(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MOST_STRANGERS", 2)
    known = replace(DESCRIPTION, node="celery@known")
    round_of_nodes = NodesRound(engine, FakeControl(FakeBroker(nodes={known.node: known})))
    await hear(engine, known.node)
    await round_of_nodes.run_once()
    for name in ("registered", "wanted", "forged-1", "forged-2", "forged-3", "forged-4"):
        await hear(engine, f"celery@{name}")
    async with engine.begin() as connection:
        await connection.execute(
            update(table).where(table.c.node == "celery@registered").values(registered_at=func.now())
        )
        await connection.execute(update(table).where(table.c.node == "celery@wanted").values(want_paused=True))
    await round_of_nodes.run_once()
    async with engine.connect() as connection:
        _, found = await workers.list_workers(connection, limit=100, offset=0)
    assert {worker.node.removeprefix("celery@") for worker in found} == {
        *("known", "registered", "wanted", "forged-3", "forged-4")
    }
