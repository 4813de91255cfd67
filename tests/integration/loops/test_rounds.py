"""Each round once, against a real Postgres and the gateway in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from domain.workers.status import Heartbeat
from gateway.descriptions import NodeDescription
from loops import dispatch, partitions, queues
from loops.dispatch import DispatchRound
from loops.partitions import PartitionsRound
from loops.queues import QueuesRound
from loops.workers import nodes as nodes_loop
from loops.workers import presence
from loops.workers.nodes import NodesRound
from loops.workers.presence import PresenceRound
from services.dispatch import BATCH_SIZE
from store.queries import submissions
from store.queries.tasks import names
from store.queries.workers import descriptions, nodes, signs
from store.queries.workers.nodes import WorkerRow
from store.tables.tasks import outbox, tasks
from store.tables.workers import workers as table
from tests.fakes.gateway import FakeBroker, FakeControl, FakePresence, FakePublisher, FakeQueueReader
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


def dispatch_round(engine: AsyncEngine, broker: FakeBroker, *, batch_size: int = BATCH_SIZE) -> DispatchRound:
    publisher, queues = FakePublisher(broker), FakeQueueReader(broker)
    return DispatchRound(engine, publisher, marks=FakeMarks(), broker=queues, batch_size=batch_size)


async def hear(engine: AsyncEngine, node: str = NODE) -> None:
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat(node, heard_at=now, at=now, pid=1)])


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


async def test_dispatch_goes_on_at_once_after_a_full_batch(engine: AsyncEngine) -> None:
    for _ in range(3):
        await submit(engine)
    round_ = dispatch_round(engine, FakeBroker(), batch_size=2)
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
    assert await round_.run_once() == nodes_loop.ROUND_SECONDS
    async with engine.connect() as connection:
        worker = await nodes.get_worker(connection, node=NODE)
        assert await names.list_known_task_names(connection, max_age=timedelta(days=1), limit=10) == ["celeriac.add"]
    assert worker is not None
    assert (worker.pool, worker.concurrency, worker.queues, worker.plugin) == ("prefork", 2, ["celery"], "1.0")
    broker.available = False
    await round_.run_once()


async def test_a_node_that_does_not_answer_is_asked_ever_more_rarely_until_it_begins_anew(engine: AsyncEngine) -> None:
    """Each question may be a traceback in its log."""
    await hear(engine)
    round_ = NodesRound(engine, FakeControl(FakeBroker()))
    waits: list[float] = []
    for _ in range(14):
        await round_.run_once()
        waits.append(await _next_question(engine))
        await _age(engine, asked_at=datetime.now(UTC) - timedelta(seconds=waits[-1]))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]
    await _age(engine, asked_at=datetime.now(UTC), online_at=datetime.now(UTC) + timedelta(seconds=1))
    assert await _next_question(engine) == 0


async def _next_question(engine: AsyncEngine) -> float:
    """After how many seconds without a question it would be asked."""
    for seconds in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300):
        async with engine.connect() as connection:
            await connection.execute(update(table).values(asked_at=table.c.asked_at - timedelta(seconds=seconds + 0.5)))
            if await descriptions.list_undescribed(connection, max_age=nodes_loop.MAX_AGE):
                return seconds
    return float("inf")


async def _age(engine: AsyncEngine, **values: object) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(table).values(values))


async def test_an_answer_that_cannot_be_read_says_that_its_node_is_there_and_no_more(engine: AsyncEngine) -> None:
    await hear(engine)
    broker = FakeBroker(unreadable={NODE: "application/x-python-serialize"})
    await NodesRound(engine, FakeControl(broker)).run_once()
    worker = await _worker(engine)
    assert (worker.unreadable, worker.unanswered, worker.described_at) == ("application/x-python-serialize", 1, None)
    assert worker.seen_at is not None
    broker.nodes[NODE] = DESCRIPTION
    await _age(engine, asked_at=datetime.now(UTC) - timedelta(seconds=9))
    await NodesRound(engine, FakeControl(broker)).run_once()
    worker = await _worker(engine)
    assert (worker.unreadable, worker.unanswered, worker.pool) == (None, 0, "prefork")


async def _worker(engine: AsyncEngine) -> WorkerRow:
    async with engine.connect() as connection:
        worker = await nodes.get_worker(connection, node=NODE)
    assert worker is not None
    return worker


async def test_each_process_of_a_node_is_told_once_to_send_events(engine: AsyncEngine) -> None:
    await hear(engine)
    broker = FakeBroker(nodes={NODE: DESCRIPTION})
    await NodesRound(engine, FakeControl(broker), enable_events=False).run_once()
    assert (broker.telling, (await _worker(engine)).events) == (set(), None)
    round_ = NodesRound(engine, FakeControl(broker))
    with capture_logs() as lines:
        await round_.run_once()
        assert (broker.telling, (await _worker(engine)).events) == ({NODE}, True)
        broker.telling.clear()  # a colleague switches them off: he means it
        await round_.run_once()
        assert broker.telling == set()
        await _age(engine, online_at=datetime.now(UTC) + timedelta(seconds=1))
        await round_.run_once()
        assert broker.telling == {NODE}
    assert [line["nodes"] for line in lines if line["event"] == "events_switched_on"] == [[NODE], [NODE]]


async def test_who_starts_tasks_and_tells_of_none_sends_no_events(engine: AsyncEngine) -> None:
    broker = FakeBroker(nodes={NODE: replace(DESCRIPTION, started=0)})
    round_ = NodesRound(engine, FakeControl(broker), enable_events=False)

    async def look(*, started: int) -> bool | None:
        await hear(engine)
        broker.nodes[NODE] = replace(DESCRIPTION, started=started)
        ago = datetime.now(UTC) - timedelta(seconds=99)
        await _age(engine, described_at=ago, counted_at=ago)
        await round_.run_once()
        return (await _worker(engine)).events

    await hear(engine)
    await round_.run_once()
    assert await look(started=0) is None, "it has nothing to tell"
    assert await look(started=3) is False
    async with engine.begin() as connection:
        await signs.see(connection, {NODE: datetime.now(UTC)}, tells_of_tasks=True)
    assert (await _worker(engine)).events is True
    assert await look(started=5) is True


async def test_who_says_nothing_is_found_by_his_answer_or_his_connection(engine: AsyncEngine) -> None:
    broker = FakeBroker(nodes={NODE: DESCRIPTION}, unreadable={"celery@pickle": "application/x-python-serialize"})
    control, connected = FakeControl(broker), FakePresence(broker)
    round_ = PresenceRound(engine, control, presence=connected, any_can_read=True)
    assert await round_.run_once() == presence.ROUND_SECONDS
    await NodesRound(engine, control).run_once()
    worker = await _worker(engine)
    assert (worker.status, worker.is_known, worker.last_heartbeat_at) == ("ACTIVE", True, None)
    broker.nodes.clear()
    for is_connected in (True, False):
        before = datetime.now(UTC) - timedelta(seconds=60)
        await _age(engine, seen_at=before)
        connected.connected = {NODE} if is_connected else set()
        await round_.run_once()
        worker = await _worker(engine)
        assert worker.seen_at is not None
        assert (worker.seen_at > before) is is_connected
    await _age(engine, seen_at=datetime.now(UTC) - timedelta(seconds=91))
    assert (await _worker(engine)).status == "OFFLINE"


async def test_nobody_is_looked_for_often_where_somebody_cannot_read_the_question(engine: AsyncEngine) -> None:
    await hear(engine)
    await _age(engine, unanswered=3)
    broker = FakeBroker()
    for any_can_read, pause in ((True, presence.ROUND_SECONDS), (False, presence.RARE_SECONDS)):
        round_ = PresenceRound(engine, FakeControl(broker), presence=FakePresence(broker), any_can_read=any_can_read)
        assert await round_.run_once() == pause


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
    look = QueuesRound(engine, control, queues=FakeQueueReader(broker))
    with capture_logs() as logs:
        assert await look.run_once() == queues.ROUND_SECONDS
        await look.run_once()
    left_alone = [line["queue"] for line in logs if line["event"] == "queue_left_alone"]
    assert left_alone == ["_kombu.binding.celery", "cart", "celeryev", "unacked"]
    async with engine.connect() as connection:
        assert await nodes.list_consumers(connection) == [(NODE, ["celery", "math"])]


async def test_of_names_that_never_answer_only_the_newest_are_kept(engine: AsyncEngine) -> None:
    known = replace(DESCRIPTION, node="celery@known")
    round_of_nodes = NodesRound(engine, FakeControl(FakeBroker(nodes={known.node: known})), most_strangers=2)
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
        _, found = await nodes.list_workers(connection, limit=100, offset=0)
    assert {worker.node.removeprefix("celery@") for worker in found} == {
        *("known", "registered", "wanted", "forged-3", "forged-4")
    }
