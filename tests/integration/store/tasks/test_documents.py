from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.filters import Cursor, Sort, TaskFilter
from domain.states import Status
from store.queries import submissions
from store.queries.tasks import documents as task_queries
from store.queries.tasks.documents import Slice, count_tasks, get_progress, get_task, list_tasks
from store.queries.workers import nodes
from store.tables.tasks import tasks
from tests.submissions import make_submission

NOW = datetime.now(UTC)
NEWEST_FIRST = Sort()


async def add_tasks(connection: AsyncConnection, *given: dict[str, Any]) -> list[str]:
    """Tasks a second apart, the first the oldest; what is no part of a submission is set afterwards."""
    fields = set(make_submission().__dataclass_fields__)
    ids = []
    for nth, wanted in enumerate(given):
        created_at = NOW + timedelta(seconds=nth - 100)
        submission = make_submission(**{"created_at": created_at} | {k: v for k, v in wanted.items() if k in fields})
        await submissions.add_submissions(connection, [submission])
        later = {k: v for k, v in wanted.items() if k not in fields}
        if later:
            await connection.execute(update(tasks).where(tasks.c.task_id == submission.task_id).values(**later))
        ids.append(submission.task_id)
    return ids


async def names(
    connection: AsyncConnection, wanted: TaskFilter, *, sort: Sort = NEWEST_FIRST, **page: Any
) -> Sequence[str | None]:
    part: dict[str, Any] = {"sort": sort, "limit": 100} | page
    rows = await list_tasks(connection, wanted, part=Slice(**part))
    return [row.task_name for row in rows]


async def test_a_task_is_read_with_its_arguments_and_the_worker_it_ran_on(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        (task_id,) = await add_tasks(connection, {"args": "[1]", "status": "RUNNING", "node": "celery@one"})
        alone = await get_task(connection, task_id)
        await connection.exec_driver_sql(
            "insert into workers (worker_id, node) values (gen_random_uuid(), 'celery@one')"
        )
        task = await get_task(connection, task_id)
        worker = await nodes.get_worker(connection, node="celery@one")
        progress = await get_progress(connection, task_id)
    assert alone is not None
    assert task is not None
    assert worker is not None
    assert progress is not None
    assert alone.worker_id is None
    assert (task.args, task.kwargs, task.worker_id) == ([1], {}, worker.worker_id)
    assert (progress.status, progress.phase, progress.cancel_requested_at) == ("RUNNING", "dispatching", None)


async def test_there_is_nothing_to_read_of_an_unknown_task(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await get_task(connection, "unknown") is None
        assert await get_progress(connection, "unknown") is None
        assert await task_queries.list_finished(connection, ["unknown"]) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TaskFilter(), ["c", "b", "a"]),
        (TaskFilter(statuses=(Status.RUNNING,)), ["b"]),
        (TaskFilter(statuses=(Status.RUNNING, Status.FAILED)), ["c", "b"]),
        (TaskFilter(task_name="a"), ["a"]),
        (TaskFilter(queue_name="math"), ["c", "a"]),
        (TaskFilter(priority=9), ["b"]),
        (TaskFilter(queue_name="math", statuses=(Status.FAILED,)), ["c"]),
        (TaskFilter(task_id="unknown"), []),
        (TaskFilter(created_after=NOW - timedelta(seconds=99)), ["c", "b"]),
        (TaskFilter(created_before=NOW - timedelta(seconds=99)), ["a"]),
    ],
)
async def test_all_that_a_filter_gives_must_hold(engine: AsyncEngine, wanted: TaskFilter, expected: list[str]) -> None:
    async with engine.begin() as connection:
        await add_tasks(
            connection,
            {"task_name": "a", "queue_name": "math"},
            {"task_name": "b", "status": "RUNNING", "priority": 9},
            {"task_name": "c", "status": "FAILED", "queue_name": "math"},
        )
        assert await names(connection, wanted) == expected
        assert await count_tasks(connection, wanted) == (len(expected), True)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort("created_at", descending=True), ["c", "b", "a"]),
        (Sort("created_at", descending=False), ["a", "b", "c"]),
        (Sort("priority", descending=True), ["b", "c", "a"]),
        (Sort("duration", descending=True), ["a", "c", "b"]),
        (Sort("duration", descending=False), ["c", "a", "b"]),
        (Sort("task_name", descending=False), ["a", "b", "c"]),
    ],
)
async def test_ties_are_broken_by_id_and_rows_without_a_value_come_last(
    engine: AsyncEngine, sort: Sort, expected: list[str]
) -> None:
    async with engine.begin() as connection:
        await add_tasks(
            connection,
            {"task_name": "a", "task_id": "1", "duration_seconds": 9},
            {"task_name": "b", "task_id": "2", "priority": 9},
            {"task_name": "c", "task_id": "3", "duration_seconds": 1},
        )
        assert await names(connection, TaskFilter(), sort=sort) == expected


@pytest.mark.parametrize("descending", [True, False])
async def test_pages_by_cursor_meet_every_row_once_even_where_times_are_equal(
    engine: AsyncEngine, *, descending: bool
) -> None:
    async with engine.begin() as connection:
        ids = await add_tasks(connection, *({"task_id": str(nth), "created_at": NOW} for nth in range(5)))
        seen: list[str] = []
        after: Cursor | None = None
        while True:
            part = Slice(sort=Sort(descending=descending), limit=2, after=after)
            page = await list_tasks(connection, TaskFilter(), part=part)
            if not page:
                break
            seen += [row.task_id for row in page]
            after = Cursor(page[-1].created_at, page[-1].task_id)
    assert seen == sorted(ids, reverse=descending)


async def test_limit_and_offset_cut_a_page(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_tasks(connection, *({"task_name": name} for name in "abcd"))
        assert await names(connection, TaskFilter(), limit=2, offset=1) == ["c", "b"]


async def test_counting_stops_just_past_the_bound(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_tasks(connection, {}, {})
        assert await count_tasks(connection, TaskFilter(), exact_total=2) == (2, True)
        await add_tasks(connection, {})
        assert await count_tasks(connection, TaskFilter(), exact_total=2) == (2, False)


async def test_finished_are_those_that_reached_any_end(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        ids = await add_tasks(connection, *({"status": status.value} for status in Status))
        finished = await task_queries.list_finished(connection, ids)
    assert sorted(finished) == sorted(ids[2:])


async def test_open_cancels_are_those_that_a_worker_may_still_hold(engine: AsyncEngine) -> None:
    asked = {"cancel_requested_at": NOW}
    async with engine.begin() as connection:
        await add_tasks(
            connection,
            {**asked, "task_id": "1", "dispatched_at": NOW},
            {**asked, "task_id": "2", "submitted_here": False, "status": "RUNNING", "cancel_signal": "SIGKILL"},
            {**asked, "task_id": "in the outbox"},
            {**asked, "task_id": "ended", "dispatched_at": NOW, "status": "CANCELLED"},
            {"task_id": "not asked for", "dispatched_at": NOW},
        )
        assert await task_queries.list_open_cancels(connection, limit=10) == {"1": "SIGTERM", "2": "SIGKILL"}
        assert await task_queries.list_open_cancels(connection, limit=1) == {"1": "SIGTERM"}
