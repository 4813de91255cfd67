"""What the tasks that match a filter are like: how many of each status, queue, name and worker, and when they were
made. Of more than `EXACT_TOTAL`, the newest are looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, CompoundSelect, Select, Subquery, Text, cast, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.filters import EXACT_TOTAL, TaskFilter
from domain.states import Status
from domain.trends import Sums
from store.queries.tasks.documents import count_tasks
from store.queries.tasks.filters import conditions
from store.tables.tasks import tasks

COLUMNS: dict[str, Column[Any]] = {
    "status": tasks.c.status,
    "phase": tasks.c.phase,
    "queue_name": tasks.c.queue_name,
    "task_name": tasks.c.task_name,
    "worker": tasks.c.node,
    "priority": tasks.c.priority,
}
MAX_VALUES = 50
"""How many values of a field are told, the most frequent."""


@dataclass(frozen=True, slots=True)
class Facets:
    """How many of the tasks that match have which value of each field, the most frequent first."""

    total: int
    is_exact: bool
    values: dict[str, list[tuple[str | None, int]]]


async def count_facets(
    connection: AsyncConnection, filters: TaskFilter, *, fields: Sequence[str], counted: int = EXACT_TOTAL
) -> Facets:
    """Count the values of these fields (index tasks_created, or that of a filter)."""
    total, is_exact = await count_tasks(connection, filters, exact_total=counted)
    values: dict[str, list[tuple[str | None, int]]] = {field: [] for field in fields}
    matching = _matching(filters, [COLUMNS[field] for field in fields], few=is_exact, counted=counted)
    for field, value, count in await connection.execute(_by_value(matching, fields)):
        values[field].append((value, count))
    return Facets(total, is_exact, values)


def _matching(filters: TaskFilter, columns: Sequence[Column[Any]], *, few: bool, counted: int) -> Subquery:
    """Select the newest of the tasks that match; all of them, where they are few, in whatever order they come."""
    matching = select(*columns).where(*conditions(filters)).limit(counted)
    return (matching if few else matching.order_by(tasks.c.created_at.desc())).subquery("matching")


def _by_value(matching: Subquery, fields: Sequence[str]) -> CompoundSelect[Any]:
    rows = select(matching).cte("rows").prefix_with("MATERIALIZED")
    return union_all(*(_of_field(rows.c[COLUMNS[field].name], field) for field in fields))


def _of_field(column: Any, field: str) -> Select[Any]:
    count = func.count()
    by_value = select(literal(field, Text), cast(column, Text).label("value"), count).group_by(column)
    return select(by_value.order_by(count.desc(), column).limit(MAX_VALUES).subquery())


@dataclass(frozen=True, slots=True)
class Creations:
    """When the tasks that match were made."""

    total: int
    is_exact: bool
    sums: dict[datetime, Sums]
    """How many were made in each minute, and how many of these have come to which end."""
    counted_since: datetime | None
    """The time before which none was counted; None where all were."""


_CREATED = (tasks.c.created_at, tasks.c.status)


async def count_creations(connection: AsyncConnection, filters: TaskFilter, *, counted: int = EXACT_TOTAL) -> Creations:
    """Count by the minute (index tasks_created, or that of a filter)."""
    total, is_exact = await count_tasks(connection, filters, exact_total=counted)
    matching = _matching(filters, _CREATED, few=is_exact, counted=counted)
    minute = func.date_trunc("minute", matching.c.created_at)
    ends = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    of_each = (func.count().filter(matching.c.status == end.value) for end in ends)
    rows = (
        await connection.execute(
            select(minute, func.min(matching.c.created_at), func.count(), *of_each).group_by(minute)
        )
    ).all()
    sums = {at: Sums(made, completed, failed, cancelled) for at, _, made, completed, failed, cancelled in rows}
    oldest = min((row[1] for row in rows), default=None)
    return Creations(total, is_exact, sums, None if is_exact else oldest)
