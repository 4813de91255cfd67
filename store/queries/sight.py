"""What a principal sees (`domain/sight.py`) as SQL: conditions on tasks and workflows, and ids of others left out.

Made once for each sight. A workflow of which one step lies outside lies outside as a whole.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, and_, any_, cast, exists, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.sight import Limits, Sight, split_patterns
from store.batch import IDS
from store.tables.tasks import tasks
from store.tables.workflows import workflow_submissions, workflows

KEPT = 1_000
"""How many sights have their conditions kept: there are no more keys."""

Columns = ReadOnlyColumnCollection[str, Any]

_TASK_LINKS = ("original_task_id", "root_id", "parent_id")
_tasks_named = {name: tasks.alias(f"named_{name}") for name in _TASK_LINKS}


@lru_cache(maxsize=KEPT)
def seen(sight: Sight, rows: FromClause = tasks) -> tuple[ColumnElement[bool], ...]:
    """Return what must hold of a row of `tasks` that is seen; nothing where all are."""
    return (*within(sight.limits, rows.c), *_own(sight, rows.c))


@lru_cache(maxsize=KEPT)
def workflow_seen(sight: Sight) -> tuple[ColumnElement[bool], ...]:
    """Return what must hold of a row of `workflows` that is seen (primary key of workflow_submissions)."""
    conditions = _own(sight, workflows.c)
    if sight.limits:
        steps = workflow_submissions.c
        of_workflow = steps.workflow_id == workflows.c.workflow_id
        conditions.append(~exists().where(of_workflow, not_(and_(*within(sight.limits, steps)))))
    return tuple(conditions)


@lru_cache(maxsize=KEPT)
def seen_links(sight: Sight) -> dict[str, ColumnElement[Any]]:
    """Return, for the columns of a task that name something else, what is shown instead; nothing where all is."""
    if not sight.is_bounded:
        return {}
    shown: dict[str, Select[Any]] = {
        name: select(named.c.task_id).where(named.c.task_id == tasks.c[name], *seen(sight, named))
        for name, named in _tasks_named.items()
    }
    of_workflow = workflows.c.workflow_id == tasks.c.workflow_id
    shown["workflow_id"] = select(workflows.c.workflow_id).where(of_workflow, *workflow_seen(sight))
    return {name: found.correlate(tasks).scalar_subquery().label(name) for name, found in shown.items()}


def linked(columns: Iterable[ColumnElement[Any]], sight: Sight) -> list[ColumnElement[Any]]:
    """Return these columns of a task, without ids of what is not seen."""
    links = seen_links(sight)
    return [links.get(column.key or "", column) for column in columns]


async def list_seen(connection: AsyncConnection, task_ids: Collection[str], *, sight: Sight) -> set[str]:
    """Return those of these tasks that are there and seen (primary key)."""
    found = select(tasks.c.task_id).where(tasks.c.task_id == any_(cast(list(task_ids), IDS)), *seen(sight))
    return {row.task_id for row in await connection.execute(found)}


async def list_seen_workflows(
    connection: AsyncConnection, workflow_ids: Collection[UUID], *, sight: Sight
) -> frozenset[UUID]:
    """Return those of these workflows that are there and seen (primary keys)."""
    found = select(workflows.c.workflow_id).where(workflows.c.workflow_id.in_(workflow_ids), *workflow_seen(sight))
    return frozenset((await connection.execute(found)).scalars())


def within(limits: Limits, columns: Columns) -> list[ColumnElement[bool]]:
    """Return what must hold of a row with `queue_name` and `task_name` that lies within the limits."""
    limited = ((columns.queue_name, limits.queues), (columns.task_name, limits.task_names))
    return [_fits(column, patterns) for column, patterns in limited if patterns]


def _fits(column: ColumnElement[str], patterns: Sequence[str]) -> ColumnElement[bool]:
    names, beginnings = split_patterns(patterns)
    whole = [column.in_(names)] if names else []
    return or_(*whole, *(column.startswith(beginning, autoescape=True) for beginning in beginnings))


def _own(sight: Sight, columns: Columns) -> list[ColumnElement[bool]]:
    return [] if sight.submitted_by is None else [columns.submitted_by == sight.submitted_by]
