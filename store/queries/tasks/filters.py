"""`domain/filters.TaskFilter` as SQL: the conditions that the list, search, presets and the export share."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, false, func, not_, or_, select

from domain.filters import TaskFilter
from domain.states import TERMINAL, Phase, Status
from store.queries.search import matches
from store.queries.sight import seen, seen_links
from store.tables.tasks import tasks
from store.tables.workers import workers

_EQUAL_NAMES = ("task_id", "task_name", "queue_name", "priority", "node", "workflow_id", "submitted_by")
_EQUAL = {name: tasks.c[name] for name in _EQUAL_NAMES}
_AT_LEAST = {
    "min_priority": tasks.c.priority,
    "min_duration": tasks.c.duration_seconds,
    "created_after": tasks.c.created_at,
    "started_after": tasks.c.started_at,
    "completed_after": tasks.c.completed_at,
}
_BELOW = {
    "created_before": tasks.c.created_at,
    "started_before": tasks.c.started_at,
    "completed_before": tasks.c.completed_at,
}
_STATUSES = {Phase.RUNNING: (Status.RUNNING,), Phase.FINISHED: tuple(TERMINAL)}
"""The statuses of a task by its phase; in the others it is PENDING."""
CLOCKS_APART = timedelta(hours=1)
"""How far apart the clocks of a worker and of whoever made the task may be: see `_made_before`."""


def conditions(filters: TaskFilter) -> list[ColumnElement[bool]]:
    """Return all that must hold of a row of `tasks`."""
    given = [*seen(filters.sight)]
    if filters.statuses:
        given.append(tasks.c.status.in_([status.value for status in filters.statuses]))
    given += _in_phase(filters.phase)
    given += [column == value for column, value in _given(filters, _EQUAL)]
    given += [column >= value for column, value in _given(filters, _AT_LEAST)]
    given += [column < value for column, value in _given(filters, _BELOW)]
    given += _made_before(filters)
    given += _of_workflow(filters)
    if filters.is_replay is not None:
        original = seen_links(filters.sight).get("original_task_id", tasks.c.original_task_id)
        given.append(original.is_not(None) if filters.is_replay else original.is_(None))
    if filters.max_duration is not None:
        given.append(tasks.c.duration_seconds <= filters.max_duration)
    if filters.worker_id is not None:
        node = select(workers.c.node).where(workers.c.worker_id == filters.worker_id).scalar_subquery()
        given.append(tasks.c.node == node)
    if filters.error is not None:
        given.append(tasks.c.exception.icontains(filters.error, autoescape=True))
    if filters.search is not None:
        given.append(matches(filters.search) if filters.search else false())
    return given


def _in_phase(phase: Phase | None) -> list[ColumnElement[bool]]:
    """Return what holds of a task in this phase. The status that goes with it says where to look (index tasks_status);
    `scheduled` is stored until a task is handed over, and is another phase once it is due.
    """
    if phase is None:
        return []
    statuses = _STATUSES.get(phase, (Status.PENDING,))
    found: list[ColumnElement[bool]] = [tasks.c.status.in_([status.value for status in statuses])]
    is_due = or_(tasks.c.scheduled_at.is_(None), tasks.c.scheduled_at <= func.now())
    if phase is Phase.DISPATCHING:
        return [*found, tasks.c.phase.in_([Phase.SCHEDULED.value, Phase.DISPATCHING.value]), is_due]
    if phase is Phase.SCHEDULED:
        found.append(not_(is_due))
    return [*found, tasks.c.phase == phase.value]


def _made_before(filters: TaskFilter) -> list[ColumnElement[bool]]:
    """What started or ended before a time was made before it. The newest such tasks are then found from that time on,
    not by going back to it from now.
    """
    bounds = [bound for bound in (filters.started_before, filters.completed_before) if bound is not None]
    return [tasks.c.created_at < min(bounds) + CLOCKS_APART] if bounds else []


def _of_workflow(filters: TaskFilter) -> list[ColumnElement[bool]]:
    """Return what keeps tasks from being found by a workflow that is not seen."""
    if filters.workflow_id is None:
        return []
    link = seen_links(filters.sight).get("workflow_id")
    return [] if link is None else [link.is_not(None)]


def _given(filters: TaskFilter, columns: Mapping[str, Column[Any]]) -> list[tuple[Column[Any], object]]:
    values = ((column, getattr(filters, name)) for name, column in columns.items())
    return [(column, value) for column, value in values if value is not None]
