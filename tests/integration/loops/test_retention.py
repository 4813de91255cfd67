"""Retention against a real Postgres: what goes, what stays, and what nobody may notice."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from domain.retention import Retention
from domain.rollups import Measure
from domain.states import TERMINAL, Status
from loops.partitions import PartitionsRound
from loops.retention import ROUND_SECONDS, RetentionRound
from loops.rollups import RollupsRound
from store.queries import leadership
from store.queries.for_dashboard import count_totals
from store.queries.submissions import add_submissions
from store.tables.rollups import rollup_hours
from store.tables.search import search_queue, task_search
from store.tables.tasks import attempts, events, outbox, task_arguments, task_results, tasks
from store.tables.workflows import workflow_events, workflow_steps, workflow_submissions, workflow_wakes, workflows
from tests.submissions import make_submission

KEPT = Retention(finished=timedelta(days=30), failed=timedelta(days=90))
AGES = KEPT.ages()
LITTLE = timedelta(minutes=5)
OF_TASKS = (tasks, task_arguments, task_results, attempts, task_search)
OF_WORKFLOWS = (workflows, workflow_steps, workflow_submissions, workflow_wakes, workflow_events)


async def add(
    engine: AsyncEngine, age: timedelta, *, status: Status = Status.COMPLETED, task_id: str | None = None, **given: Any
) -> str:
    """A task, with a row in every table, that ended so long ago."""
    task_id, at = task_id or str(uuid7()), datetime.now(UTC) - age
    row = {"task_id": task_id, "status": status, "phase": "finished", "created_at": at, "events_from": at}
    async with engine.begin() as connection:
        await connection.execute(insert(tasks).values(row | {"checked_at": at, "completed_at": at} | given))
        await connection.execute(insert(task_arguments).values(task_id=task_id))
        await connection.execute(insert(task_results).values(task_id=task_id))
        attempt = {"task_id": task_id, "number": 1, "retries": 0, "delivery": 1, "state": "SUCCEEDED"}
        await connection.execute(insert(attempts).values(attempt))
        await connection.execute(insert(task_search).values(task_id=task_id, document=func.to_tsvector("word")))
        event = {"task_id": task_id, "occurred_at": at, "event_key": "key", "event_type": "started"}
        await connection.execute(insert(events).values(event))
    return task_id


async def add_workflow(
    engine: AsyncEngine, age: timedelta, *, status: Status = Status.COMPLETED, ended: bool = True, steps: int = 1
) -> UUID:
    """A workflow that ended so long ago, with a row in every table."""
    workflow_id, at = uuid7(), datetime.now(UTC) - age
    row = {"workflow_id": workflow_id, "name": "w", "on_failure": "stop", "status": status, "created_at": at}
    step = {"workflow_id": workflow_id, "step_id": "a", "task_id": "t", "status": status, "waiting_for": 0}
    submission = {"workflow_id": workflow_id, "task_name": "t", "args": [], "kwargs": {}, "has_references": False}
    async with engine.begin() as connection:
        counts = {"step_count": steps, "unfinished": 0, "completed_at": at if ended else None}
        await connection.execute(insert(workflows).values(row | counts))
        await connection.execute(insert(workflow_steps).values(step | {"position": 0, "children": []}))
        rest = {"position": 0, "queue_name": "celery", "priority": 5, "max_retries": 3}
        await connection.execute(insert(workflow_submissions).values(submission | rest))
        await connection.execute(insert(workflow_wakes).values(workflow_id=workflow_id))
        event = {"workflow_id": workflow_id, "occurred_at": at, "event_type": "completed"}
        await connection.execute(insert(workflow_events).values(event))
    return workflow_id


async def run(engine: AsyncEngine, kept: Retention = KEPT) -> int:
    """Rounds until nothing is left to do; returns how many."""
    round_, rounds = RetentionRound(engine, kept), 1
    while await round_.run_once() == 0:
        rounds += 1
    return rounds


async def ids(engine: AsyncEngine, kind: Table = tasks) -> set[Any]:
    async with engine.connect() as connection:
        return set((await connection.execute(select(next(iter(kind.c))))).scalars())


async def days(engine: AsyncEngine) -> set[str]:
    partitions = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass")
    async with engine.connect() as connection:
        return set((await connection.execute(partitions)).scalars())


async def make_day(engine: AsyncEngine, age: timedelta) -> str:
    """The partition of the day so long ago."""
    day = datetime.now(UTC) - age
    async with engine.begin() as connection:
        await connection.execute(text("SELECT make_event_partitions(CAST(:day AS date), 1)"), {"day": day.date()})
    return f"events_{day:%Y%m%d}"


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_a_task_goes_at_its_age_from_every_table(engine: AsyncEngine, status: Status) -> None:
    await add(engine, AGES[status] + LITTLE, status=status)
    younger = await add(engine, AGES[status] - LITTLE, status=status)
    assert await run(engine) == 1
    assert [await ids(engine, kind) for kind in OF_TASKS] == [{younger}] * len(OF_TASKS)


async def test_age_counts_from_the_end(engine: AsyncEngine) -> None:
    ended = datetime.now(UTC) - timedelta(days=1)
    task_id = await add(engine, timedelta(days=400), completed_at=ended)
    await run(engine)
    assert await ids(engine) == {task_id}


async def test_an_end_without_a_time_counts_from_the_last_look(engine: AsyncEngine) -> None:
    await add(engine, timedelta(days=31), completed_at=None)
    looked_at = await add(engine, timedelta(days=31), completed_at=None, checked_at=datetime.now(UTC) - LITTLE)
    await run(engine)
    assert await ids(engine) == {looked_at}


async def test_zero_keeps_for_ever(engine: AsyncEngine) -> None:
    old = timedelta(days=4000)
    day = await make_day(engine, old)
    completed = await add(engine, old)
    await add(engine, old, status=Status.FAILED)
    await run(engine, Retention(finished=timedelta(0), failed=timedelta(days=1)))
    assert await ids(engine) == {completed}
    assert day in await days(engine)


async def test_what_is_not_over_stays(engine: AsyncEngine) -> None:
    old = timedelta(days=400)
    running = await add(engine, old, status=Status.RUNNING, phase="running", completed_at=None)
    pending = await add(engine, old, status=Status.PENDING, phase="queued", completed_at=None)
    waiting, unindexed, written = [await add(engine, old) for _ in range(3)]
    async with engine.begin() as connection:
        await connection.execute(insert(outbox).values(task_id=waiting, due_at=func.now()))
        await connection.execute(insert(search_queue).values(task_id=unindexed))
        await connection.execute(tasks.update().where(tasks.c.task_id == written).values(checked_at=func.now()))
    await run(engine)
    assert await ids(engine) == {running, pending, waiting, unindexed, written}


async def test_more_than_a_batch_goes_in_several_rounds(engine: AsyncEngine) -> None:
    for _ in range(5):
        await add(engine, timedelta(days=31))
    round_ = RetentionRound(engine, KEPT, batch_size=2)
    left = []
    for pause in (0, 0, ROUND_SECONDS):
        assert await round_.run_once() == pause
        left.append(len(await ids(engine)))
    assert left == [3, 1, 0]


async def test_a_locked_task_is_left_for_later_and_not_waited_for(engine: AsyncEngine) -> None:
    locked = await add(engine, timedelta(days=31))
    await add(engine, timedelta(days=31))
    async with engine.begin() as other:
        await other.execute(select(tasks).where(tasks.c.task_id == locked).with_for_update())
        await run(engine)
        assert await ids(engine) == {locked}
    await run(engine)
    assert await ids(engine) == set()


async def test_one_process_deletes_at_a_time(engine: AsyncEngine) -> None:
    await add(engine, timedelta(days=31))
    async with engine.begin() as other:
        assert await leadership.take(other, leadership.RETENTION)
        assert await run(engine) == 1
    assert len(await ids(engine)) == 1


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_a_workflow_goes_whole_at_its_own_age(engine: AsyncEngine, status: Status) -> None:
    """Whatever its tasks ended as."""
    older = await add_workflow(engine, AGES[status] + LITTLE, status=status)
    younger = await add_workflow(engine, AGES[status] - LITTLE, status=status)
    for ended in TERMINAL:
        await add(engine, timedelta(days=400), status=ended, workflow_id=older)
    kept = {await add(engine, timedelta(days=400), status=ended, workflow_id=younger) for ended in TERMINAL}
    await run(engine)
    assert [await ids(engine, kind) for kind in OF_WORKFLOWS] == [{younger}] * len(OF_WORKFLOWS)
    assert [await ids(engine, kind) for kind in OF_TASKS] == [kept] * len(OF_TASKS)


async def test_unfinished_workflows_keep_their_tasks(engine: AsyncEngine) -> None:
    old = timedelta(days=400)
    running = await add_workflow(engine, old, status=Status.RUNNING, ended=False)
    ended = await add_workflow(engine, old)
    kept = {await add(engine, old, workflow_id=running), await add(engine, old, workflow_id=ended)}
    kept.add(await add(engine, old, workflow_id=ended, status=Status.RUNNING, completed_at=None))
    await run(engine)
    assert await ids(engine) == kept
    assert await ids(engine, workflows) == {running, ended}


async def test_large_workflows_go_a_few_at_a_time(engine: AsyncEngine) -> None:
    for _ in range(3):
        await add_workflow(engine, timedelta(days=31), steps=3)
    round_ = RetentionRound(engine, KEPT, batch_size=4)
    assert await round_.run_once() == 0
    assert len(await ids(engine, workflows)) == 1
    assert [await round_.run_once(), await round_.run_once()] == [0, ROUND_SECONDS]
    assert await ids(engine, workflows) == set()


async def test_a_replay_outlives_its_original(engine: AsyncEngine) -> None:
    original = await add(engine, timedelta(days=31))
    replay = await add(engine, timedelta(days=1), original_task_id=original)
    await run(engine)
    async with engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.task_id, tasks.c.original_task_id))).all() == [
            (replay, original)
        ]


async def test_a_day_of_events_goes_when_all_of_it_is_older_than_the_longest_age(engine: AsyncEngine) -> None:
    older, younger = await make_day(engine, timedelta(days=91)), await make_day(engine, timedelta(days=90))
    async with engine.begin() as connection:
        await connection.execute(insert(events), [_event("gone", timedelta(days=91)), _event("x", timedelta(days=89))])
    await run(engine)
    left = await days(engine)
    assert older not in left
    assert younger in left
    assert await ids(engine, events) == {"x"}


async def test_events_of_tasks_that_are_still_there_survive_their_day(engine: AsyncEngine) -> None:
    old = timedelta(days=200)
    day = await make_day(engine, old)
    running = await add(engine, old, status=Status.RUNNING, completed_at=None)
    await add(engine, old)
    await run(engine)
    assert day not in await days(engine)
    assert await ids(engine, events) == {running}
    async with engine.begin() as connection:
        ended = datetime.now(UTC) - timedelta(days=31)
        await connection.execute(tasks.update().values(status="COMPLETED", completed_at=ended))
    await run(engine)
    assert await ids(engine, events) == set()


async def test_a_dropped_day_is_not_made_again(engine: AsyncEngine) -> None:
    day = await make_day(engine, timedelta(days=200))
    await run(engine)
    await PartitionsRound(engine).run_once()
    assert day not in await days(engine)


async def test_a_day_that_somebody_reads_is_left_for_later(engine: AsyncEngine) -> None:
    day = await make_day(engine, timedelta(days=200))
    async with engine.begin() as reader:
        await reader.execute(select(events))
        assert await RetentionRound(engine, KEPT).run_once() == ROUND_SECONDS
        assert day in await days(engine)
    await run(engine)
    assert day not in await days(engine)


async def test_counts_know_nothing_of_it(engine: AsyncEngine) -> None:
    old = datetime.now(UTC) - timedelta(days=31)
    submission = make_submission(created_at=old)
    async with engine.begin() as connection:
        await add_submissions(connection, [submission])
        await connection.execute(outbox.delete())
        await connection.execute(search_queue.delete())
        await connection.execute(tasks.update().values(status="COMPLETED", completed_at=old, checked_at=old))
    await run(engine)
    await RollupsRound(engine).run_once()
    assert await ids(engine) == set()
    async with engine.connect() as connection:
        assert (await count_totals(connection))[Measure.SUBMITTED] == 1
        assert (await connection.execute(select(func.sum(rollup_hours.c.count)))).scalar_one() == 1


def _event(task_id: str, age: timedelta) -> dict[str, object]:
    at = datetime.now(UTC) - age
    return {"task_id": task_id, "occurred_at": at, "event_key": "key", "event_type": "started"}
