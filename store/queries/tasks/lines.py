"""Tasks as lines of CSV. The cells are those that a list of tasks shows as JSON."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.filters import TaskFilter
from domain.states import Phase
from store.queries.csv_lines import copy_lines, plain_cell, time_cell
from store.queries.sight import seen_links
from store.queries.tasks.documents import Slice, in_order
from store.queries.tasks.documents import worker_id as _worker_id
from store.tables.tasks import tasks

EXACT_FLOAT = 1e15
"""The size below which a whole number of seconds has the `.0` that JSON gives it."""


def _seconds(column: ColumnElement[Any]) -> ColumnElement[Any]:
    is_whole = and_(column == func.trunc(column), func.abs(column) < EXACT_FLOAT)
    return cast(column, Text).concat(case((is_whole, ".0"), else_=""))


_is_due = or_(tasks.c.scheduled_at.is_(None), tasks.c.scheduled_at <= func.now())
CELLS: dict[str, ColumnElement[Any]] = {
    "task_id": plain_cell(tasks.c.task_id),
    "task_name": plain_cell(tasks.c.task_name),
    "status": tasks.c.status,
    "phase": case(
        (and_(tasks.c.phase == Phase.SCHEDULED.value, _is_due), Phase.DISPATCHING.value), else_=tasks.c.phase
    ),
    "priority": tasks.c.priority,
    "queue_name": plain_cell(tasks.c.queue_name),
    "worker_id": _worker_id,
    "worker_hostname": plain_cell(func.regexp_replace(tasks.c.node, "^celery@", "")),
    "created_at": time_cell(tasks.c.created_at),
    "scheduled_at": time_cell(tasks.c.scheduled_at),
    "started_at": time_cell(tasks.c.started_at),
    "completed_at": time_cell(tasks.c.completed_at),
    "duration_seconds": _seconds(tasks.c.duration_seconds),
    "retry_count": tasks.c.retry_count,
    "max_retries": tasks.c.max_retries,
    "timeout_seconds": tasks.c.timeout_seconds,
    "error": plain_cell(tasks.c.exception),
    "original_task_id": plain_cell(tasks.c.original_task_id),
    "workflow_id": tasks.c.workflow_id,
    "cancel_requested": case((tasks.c.cancel_requested_at.is_not(None), "true"), else_="false"),
    "outcome": tasks.c.outcome,
}
"""The cells of a line, by the names that head the columns."""


async def stream_lines(
    connection: AsyncConnection, filters: TaskFilter, *, part: Slice, seconds: float
) -> AsyncGenerator[bytes]:
    """Yield one line of CSV for each task that matches, in order; see `copy_lines`."""
    links = {name: plain_cell(cast(link, Text)) for name, link in seen_links(filters.sight).items() if name in CELLS}
    statement = in_order(select(*(CELLS | links).values()), filters, part=part)
    async with aclosing(copy_lines(connection, statement, seconds=seconds)) as lines:
        async for line in lines:
            yield line
