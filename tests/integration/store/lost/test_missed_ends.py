from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.states import Phase
from store.queries import leadership, submissions
from store.queries.lost import missed_ends
from store.tables.tasks import tasks
from tests.submissions import make_submission

SILENCE = timedelta(seconds=10)
NOW = datetime.now(UTC)


async def add_task(engine: AsyncEngine, *, silent_seconds: float = 20, **given: object) -> str:
    submission = make_submission()
    checked_at = datetime.now(UTC) - timedelta(seconds=silent_seconds)
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
        mine = update(tasks).where(tasks.c.task_id == submission.task_id)
        await connection.execute(mine.values(**{"checked_at": checked_at, "phase": "queued"} | given))
    return submission.task_id


async def silent(engine: AsyncEngine, *, limit: int = 10) -> list[str]:
    async with engine.connect() as connection:
        return [task.task_id for task in await missed_ends.list_silent(connection, silence=SILENCE, limit=limit)]


async def test_silent_tasks_come_longest_silent_first(engine: AsyncEngine) -> None:
    short, long = await add_task(engine), await add_task(engine, silent_seconds=60)
    await add_task(engine, silent_seconds=5)
    assert await silent(engine) == [long, short]
    assert await silent(engine, limit=1) == [long]


@pytest.mark.parametrize(
    ("phase", "looked_at"),
    [
        (Phase.SCHEDULED, False),
        (Phase.DISPATCHING, False),
        (Phase.QUEUED, True),
        (Phase.RESERVED, True),
        (Phase.RUNNING, True),
        (Phase.RETRYING, True),
    ],
)
async def test_only_what_a_worker_or_the_broker_has_can_be_silent(
    engine: AsyncEngine, phase: Phase, *, looked_at: bool
) -> None:
    task_id = await add_task(engine, phase=phase.value)
    assert await silent(engine) == ([task_id] if looked_at else [])


async def test_a_finished_task_is_not_silent_but_its_result_may_be_missing(engine: AsyncEngine) -> None:
    waiting = await add_task(engine, status="COMPLETED", phase="finished", result_pending=True, completed_at=NOW)
    await add_task(engine, status="COMPLETED", phase="finished")
    await add_task(engine, status="COMPLETED", phase="finished", result_pending=True, silent_seconds=1)
    assert await silent(engine) == []
    async with engine.begin() as connection:
        (found,) = await missed_ends.list_result_pending(connection, silence=SILENCE, limit=10)
        assert (found.task_id, found.completed_at, found.result_pending) == (waiting, NOW, True)
        await missed_ends.give_up_results(connection, [waiting])
        assert await missed_ends.list_result_pending(connection, silence=SILENCE, limit=10) == []


async def test_what_was_looked_at_is_left_alone_for_another_silence(engine: AsyncEngine) -> None:
    looked_at, other = await add_task(engine), await add_task(engine)
    async with engine.begin() as connection:
        await missed_ends.mark_checked(connection, [looked_at])
    assert await silent(engine) == [other]
    async with engine.connect() as connection:
        checked_at = (
            await connection.execute(select(tasks.c.checked_at).where(tasks.c.task_id == looked_at))
        ).scalar_one()
    assert checked_at > NOW


async def test_a_lock_is_one_processs_until_its_transaction_ends(engine: AsyncEngine) -> None:
    async with engine.connect() as one, engine.connect() as other:
        assert await leadership.take(one, leadership.MISSED_ENDS)
        assert not await leadership.take(other, leadership.MISSED_ENDS)
        await one.rollback()
        assert await leadership.take(other, leadership.MISSED_ENDS)
