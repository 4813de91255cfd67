"""Reading tasks: one whole, or pages of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, bindparam, case, func, literal, null, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.at_rest import MARK
from domain.cancels import StopSignal
from domain.filters import EXACT_TOTAL, SORT_COLUMNS, Cursor, Sort, TaskFilter
from domain.sight import EVERYTHING, Sight
from domain.states import TERMINAL, Phase, Status
from store.at_rest import AtRest, at_rest_of
from store.queries.sight import KEPT, linked, seen
from store.queries.tasks.filters import conditions
from store.queries.tasks.opening import (
    SEALED_TRACEBACK,
    TOO_LONG,
    open_attempts,
    open_given,
    open_result,
    open_texts,
)
from store.tables.doubts import doubts
from store.tables.tasks import attempts, outbox, task_arguments, task_results, tasks
from store.tables.workers import workers

MAX_ATTEMPTS = 1_000
"""How many attempts of one task are read, the latest: one that is tried again for ever has any number."""
LARGE_BYTES = 20_000
"""Stored size from which arguments and result count as large: unpacked they may be 100 times that."""
FEW = 2_000
"""How many rows are sorted in 3 ms."""
NEWEST_FIRST = Sort()

WHOLE_ATTEMPTS = 10
"""How many of the latest attempts have their exception and traceback whole: a thousand of 64 KiB would be no answer."""


SHOWN_ERROR = 1_024
"""Characters of an error in a list, of which a thousand rows may be asked for; the task itself has 64 KiB."""


def shortened(error: ColumnElement[str]) -> ColumnElement[str]:
    """Return an error as lists show it."""
    cut = func.left(error, SHOWN_ERROR - 1).concat(literal("\N{HORIZONTAL ELLIPSIS}", Text))
    return case((func.length(error) > SHOWN_ERROR, cut), else_=error)


worker_id = select(workers.c.worker_id).where(workers.c.node == tasks.c.node).scalar_subquery().label("worker_id")
ROW = (
    tasks.c.task_id,
    tasks.c.task_name,
    tasks.c.status,
    tasks.c.phase,
    tasks.c.priority,
    tasks.c.queue_name,
    tasks.c.node,
    worker_id,
    tasks.c.created_at,
    tasks.c.scheduled_at,
    tasks.c.started_at,
    tasks.c.completed_at,
    tasks.c.duration_seconds,
    tasks.c.retry_count,
    tasks.c.max_retries,
    tasks.c.timeout_seconds,
    shortened(tasks.c.exception).label("error"),
    tasks.c.original_task_id,
    tasks.c.workflow_id,
    tasks.c.cancel_requested_at,
    tasks.c.result_pending,
    tasks.c.outcome,
)
"""The columns of a `ListedTask`, in its order."""
_is_whole = (
    attempts.c.number
    > select(tasks.c.attempt_count).where(tasks.c.task_id == bindparam("task_id")).scalar_subquery() - WHOLE_ATTEMPTS
)
# What is encrypted can only be read whole.
_end_of_traceback = case(
    (attempts.c.traceback.is_(None), null()),
    (~func.starts_with(attempts.c.traceback, MARK), func.right(attempts.c.traceback, SHOWN_ERROR)),
    (func.length(attempts.c.traceback) <= SEALED_TRACEBACK, attempts.c.traceback),
    else_=literal(TOO_LONG, Text),
)
_attempt = (
    select(
        *(column for column in attempts.c if column.name not in ("exception", "traceback")),
        case((_is_whole, attempts.c.exception), else_=shortened(attempts.c.exception)).label("exception"),
        case((_is_whole, attempts.c.traceback), else_=_end_of_traceback).label("traceback"),
        select(workers.c.worker_id).where(workers.c.node == attempts.c.node).scalar_subquery().label("worker_id"),
    )
    .where(attempts.c.task_id == bindparam("task_id"))
    .order_by(attempts.c.number.desc())
    .limit(MAX_ATTEMPTS)
    .subquery("attempt")
)
_attempts = select(func.json_agg(aggregate_order_by(_attempt.table_valued(), _attempt.c.number))).scalar_subquery()
_parts = (task_arguments.c.args, task_arguments.c.kwargs, task_results.c.result)
_stored_bytes = sum((func.coalesce(func.pg_column_size(part), 0) for part in _parts), literal(0))
_outline = (
    *(tasks.c.exception.label("error") if column.name == "error" else column for column in ROW),
    tasks.c.first_started_at,
    tasks.c.events_from,
    tasks.c.reconstructed,
    tasks.c.attempt_count,
    tasks.c.fact_count,
)
_whole = (
    *_outline,
    tasks.c.submitted_here,
    tasks.c.submitted_by,
    task_arguments.c.args,
    task_arguments.c.kwargs,
    task_arguments.c.args_repr,
    task_arguments.c.kwargs_repr,
    task_results.c.result,
    task_results.c.truncated.label("result_truncated"),
    task_results.c.result.is_not(None).label("has_result"),
    task_results.c.unreadable,
    task_results.c.result_repr,
    task_results.c.traceback,
    outbox.c.refusals,
    outbox.c.refusal,
    outbox.c.parked_at,
    outbox.c.due_at.label("next_try_at"),
    case((tasks.c.phase == Phase.QUEUED.value, doubts.c.doubt)).label("doubt"),
    (_stored_bytes > LARGE_BYTES).label("is_large"),
    _attempts.label("attempts"),
)


@lru_cache(maxsize=KEPT)
def _one(sight: Sight) -> Select[Any]:
    return (
        select(*linked(_whole, sight))
        .outerjoin(task_arguments, task_arguments.c.task_id == tasks.c.task_id)
        .outerjoin(task_results, task_results.c.task_id == tasks.c.task_id)
        .outerjoin(outbox, outbox.c.task_id == tasks.c.task_id)
        .outerjoin(doubts, doubts.c.task_id == tasks.c.task_id)
        .where(tasks.c.task_id == bindparam("task_id"), *seen(sight))
    )


@lru_cache(maxsize=KEPT)
def _row(sight: Sight) -> Select[Any]:
    return select(*linked(_outline, sight)).where(tasks.c.task_id == bindparam("task_id"), *seen(sight))


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task as lists show it. Times are aware; what is None is not known, has not happened, or holds no limit."""

    task_id: str
    task_name: str | None
    status: str
    phase: str
    priority: int | None
    queue_name: str | None
    node: str | None
    worker_id: UUID | None
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    retry_count: int
    max_retries: int | None
    timeout_seconds: int | None
    error: str | None
    """What went wrong, in lists no longer than `SHOWN_ERROR`."""
    original_task_id: str | None
    workflow_id: UUID | None
    cancel_requested_at: datetime | None
    result_pending: bool
    outcome: str | None


@dataclass(frozen=True, slots=True)
class TaskOutline(ListedTask):
    """One task without all that may be large: arguments, result, attempts."""

    first_started_at: datetime | None
    events_from: datetime
    """The time before which no fact of the task lies."""
    reconstructed: bool
    attempt_count: int
    fact_count: int


@dataclass(frozen=True, slots=True)
class WholeTask(TaskOutline):
    """One task with its arguments, its result, and why the broker refuses it if it does."""

    submitted_here: bool
    submitted_by: str | None
    args: Any
    kwargs: Any
    args_repr: str | None
    kwargs_repr: str | None
    result: Any
    result_truncated: bool | None
    has_result: bool
    unreadable: str | None
    result_repr: str | None
    traceback: str | None
    refusals: int | None
    refusal: str | None
    parked_at: datetime | None
    next_try_at: datetime | None
    doubt: str | None
    is_large: bool
    """Tell whether it takes long to make something of it."""
    attempts: list[dict[str, Any]]
    """The latest `MAX_ATTEMPTS` as JSON, with times as text, oldest first."""


async def get_task(connection: AsyncConnection, task_id: str, *, sight: Sight = EVERYTHING) -> WholeTask | None:
    """Return one task with its arguments, result and attempts (primary keys); None if there is none that is seen.

    One statement, which alone is a snapshot: each further round trip would cost as much again.
    """
    row = (await connection.execute(_one(sight), {"task_id": task_id})).one_or_none()
    if row is None:
        return None
    *cells, attempts_or_none = row
    return _opened(at_rest_of(connection), WholeTask(*(*cells, attempts_or_none or [])))


def _opened(vault: AtRest, task: WholeTask) -> WholeTask:
    """The task with what is encrypted of it, or with the reasons why that cannot be read in its place."""
    this = task.task_id
    last_cut = task.attempt_count - WHOLE_ATTEMPTS
    open_attempts(vault, this, attempts=task.attempts, last_cut=last_cut, cut_to=SHOWN_ERROR)
    texts = {name: getattr(task, name) for name in ("args_repr", "kwargs_repr", "result_repr", "traceback")}
    opened = open_texts(vault, this, texts=texts)
    for name in ("args", "kwargs"):
        opened |= open_given(vault, this, stored=getattr(task, name), name=name)
    opened |= open_result(vault, this, stored=task.result)
    return replace(task, **opened) if opened else task


async def get_outline(connection: AsyncConnection, task_id: str, *, sight: Sight = EVERYTHING) -> TaskOutline | None:
    """Return a task without what may be large: arguments, result, attempts (primary key); None if none is seen."""
    row = (await connection.execute(_row(sight), {"task_id": task_id})).one_or_none()
    return TaskOutline(*row) if row else None


_status = select(
    tasks.c.status, tasks.c.phase, tasks.c.cancel_requested_at, tasks.c.node, tasks.c.outcome, tasks.c.queue_name
).where(tasks.c.task_id == bindparam("task_id"))


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task is."""

    status: str
    phase: str
    cancel_requested_at: datetime | None
    node: str | None
    outcome: str | None
    queue_name: str | None


async def get_progress(connection: AsyncConnection, task_id: str) -> TaskProgress | None:
    """Return status and phase of a task (primary key); None if there is none."""
    row = (await connection.execute(_status, {"task_id": task_id})).one_or_none()
    return TaskProgress(*row) if row else None


_finished = select(tasks.c.task_id).where(
    tasks.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_(),
    tasks.c.status.in_([status.value for status in TERMINAL]),
)


async def list_finished(connection: AsyncConnection, task_ids: Sequence[str]) -> list[str]:
    """Return those of these tasks that have reached an end (primary key)."""
    return [row.task_id for row in await connection.execute(_finished, {"task_ids": list(task_ids)})]


_open_cancels = (
    select(tasks.c.task_id, tasks.c.cancel_signal)
    .where(
        tasks.c.status.in_((Status.PENDING.value, Status.RUNNING.value)),
        tasks.c.cancel_requested_at.is_not(None),
        tasks.c.dispatched_at.is_not(None) | ~tasks.c.submitted_here,
    )
    .order_by(tasks.c.task_id)
    .limit(bindparam("limit"))
)
any_open_cancel = _open_cancels.order_by(None).limit(None).exists()
"""Whether `list_open_cancels` finds any."""


async def list_open_cancels(connection: AsyncConnection, *, limit: int) -> dict[str, StopSignal]:
    """Map tasks with a cancel request that a worker or the broker may still hold to its signal (index
    tasks_cancels)."""
    rows = await connection.execute(_open_cancels, {"limit": limit})
    return {row.task_id: StopSignal(row.cancel_signal or StopSignal.SIGTERM) for row in rows}


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the tasks that match, in which order."""

    sort: Sort = NEWEST_FIRST
    limit: int | None = None
    offset: int = 0
    after: Cursor | None = None
    """The row after which the page begins, stable under inserts; presumes sorting by `created_at`."""


async def list_tasks(
    connection: AsyncConnection, filters: TaskFilter, *, part: Slice, few: bool = False
) -> list[ListedTask]:
    """Return one page of the tasks that match, ties broken by id (index tasks_created, or that of a filter or the
    column).

    `few`: no more than `FEW` match.
    """
    await connection.execute(_plan_for_these_values)
    if few:
        return await _read(connection, _select_few(filters, part))
    if tasks.c[SORT_COLUMNS[part.sort.by]].nullable:
        # Rows without a value come last; an index has them at one end, and so gives only the others in both orders.
        valued = await _read(connection, _select_valued(filters, part))
        if len(valued) == part.limit:
            return valued
    return await _read(connection, in_order(select(*linked(ROW, filters.sight)), filters, part=part))


async def _read(connection: AsyncConnection, statement: Select[Any]) -> list[ListedTask]:
    return [ListedTask(*row) for row in await connection.execute(statement)]


def in_order(cells: Select[Any], filters: TaskFilter, *, part: Slice) -> Select[Any]:
    """Return the statement for these cells of the tasks that match, in order."""
    order = _order(tasks.c, part.sort)
    return cells.where(*_conditions(filters, part)).order_by(*order).limit(part.limit).offset(part.offset)


def _select_valued(filters: TaskFilter, part: Slice) -> Select[Any]:
    """Select the rows that have a value to sort by, in order."""
    column = tasks.c[SORT_COLUMNS[part.sort.by]]
    first, by_id = (column.desc(), tasks.c.task_id.desc()) if part.sort.descending else (column, tasks.c.task_id)
    valued = select(*linked(ROW, filters.sight)).where(*_conditions(filters, part), column.is_not(None))
    return valued.order_by(first, by_id).limit(part.limit).offset(part.offset)


def _select_few(filters: TaskFilter, part: Slice) -> Select[Any]:
    """Select the rows as a whole and sort them then: Postgres may take few for many, and look for them in
    their order."""
    matching = select(*linked(ROW, filters.sight)).where(*_conditions(filters, part)).offset(0).subquery()
    return select(matching).order_by(*_order(matching.c, part.sort)).limit(part.limit).offset(part.offset)


def _conditions(filters: TaskFilter, part: Slice) -> list[ColumnElement[bool]]:
    where = conditions(filters)
    if part.after is not None:
        key, last = tuple_(tasks.c.created_at, tasks.c.task_id), tuple_(part.after.created_at, part.after.row_id)
        where.append(key < last if part.sort.descending else key > last)
    return where


# A plan for any values takes a rare word for a common one, and a duration that few exceed for one that a third does.
_plan_for_these_values = text("SET LOCAL plan_cache_mode = force_custom_plan")


async def count_tasks(
    connection: AsyncConnection, filters: TaskFilter, *, exact_total: int = EXACT_TOTAL
) -> tuple[int, bool]:
    """Return how many tasks match, and whether that is exact: counting stops just past `exact_total`."""
    await connection.execute(_plan_for_these_values)
    matching = select(tasks.c.task_id).where(*conditions(filters)).limit(exact_total + 1).subquery()
    count: int = (await connection.execute(select(func.count()).select_from(matching))).scalar_one()
    return (count, True) if count <= exact_total else (exact_total, False)


def _order(columns: ReadOnlyColumnCollection[str, Any], sort: Sort) -> list[ColumnElement[Any]]:
    """The column and then the id, both ways alike. Rows without a value come last, whichever way."""
    name = SORT_COLUMNS[sort.by]
    first = columns[name].desc() if sort.descending else columns[name].asc()
    return [
        first.nulls_last() if tasks.c[name].nullable else first,
        columns.task_id.desc() if sort.descending else columns.task_id.asc(),
    ]
