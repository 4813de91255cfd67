from datetime import UTC, datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.adoption import adoptions
from domain.workers.status import Heartbeat
from store.queries import queues, submissions
from store.queries.workers import descriptions, nodes
from store.queries.workers.descriptions import Description
from store.tables.tasks import tasks
from tests.submissions import make_submission


async def add_worker(connection: AsyncConnection, node: str, *, consumes: str = "celery", **told: object) -> None:
    """An online worker with our plugin that knows `celeriac.add`."""
    now = datetime.now(UTC)
    usual = {"pool": "solo", "concurrency": 1, "prefetch_count": 1, "registered": ["celeriac.add"], "plugin": "1.0"}
    await nodes.hear(connection, [Heartbeat(node, heard_at=now, at=now, pid=1)])
    description = Description(node=node, pid=1, queues=[consumes], **(usual | told))  # type: ignore[arg-type]
    await descriptions.save_description(connection, description)


async def add_queued(connection: AsyncConnection, queue_name: str, **given: object) -> None:
    submission = make_submission(queue_name=queue_name)
    await submissions.add_submissions(connection, [submission])
    mine = update(tasks).where(tasks.c.task_id == submission.task_id)
    await connection.execute(mine.values(**{"phase": "queued"} | given))


async def test_a_queue_that_nobody_consumes_is_offered_to_our_workers_that_know_its_tasks(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, "celery@ours")
        await add_worker(connection, "celery@foreign", plugin=None)
        await add_worker(connection, "celery@other", registered=["other"])
        await add_queued(connection, "math")
        await add_queued(connection, "math")
        assert await queues.list_unserved(connection) == {"math": ["celery@ours"]}


async def test_a_queue_is_served_once_a_worker_says_so(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, "celery@ours")
        await add_queued(connection, "math")
        await queues.add_to_described(connection, "math", nodes=["celery@ours"])
        assert await queues.list_unserved(connection) == {}
        assert await nodes.list_consumers(connection) == [("celery@ours", ["celery", "math"])]


async def test_what_a_worker_took_on_is_told_as_long_as_it_consumes_it(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, "celery@ours")
        await add_queued(connection, "math")
        assert await queues.list_takers(connection, "math") == ["celery@ours"]
        assert await queues.list_takers(connection, "celery") == []
        await queues.add_to_described(connection, "math", nodes=["celery@ours"])
        await queues.add_to_described(connection, "art", nodes=["celery@ours"])
        assert await queues.list_takers(connection, "math") == []
        worker = await nodes.get_worker(connection, node="celery@ours")
        assert worker is not None
        assert sorted(adoptions(worker.taken_on)) == ["art", "math"]
        await add_worker(connection, "celery@ours")
        await queues.add_to_described(connection, "math", nodes=["celery@ours"])
        worker = await nodes.get_worker(connection, node="celery@ours")
        assert worker is not None
        assert sorted(adoptions(worker.taken_on)) == ["math"]


async def test_only_tasks_of_ours_that_wait_in_it_make_a_queue_unserved(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, "celery@ours")
        await add_queued(connection, "celery")
        await add_queued(connection, "a", phase="scheduled")
        await add_queued(connection, "b", status="COMPLETED", phase="finished")
        await add_queued(connection, "c", submitted_here=False)
        await add_queued(connection, "d", checked_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert await queues.list_unserved(connection) == {}
