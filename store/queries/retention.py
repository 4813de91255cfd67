"""The statements by which tasks, workflows and days of events go when they are old.

Tasks go in batches with all that hangs on them. Events go by the day, but for those in the default partition, whose
day never comes: they go with their task. Counts know no tasks, and stay.
"""

from datetime import timedelta

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    Integer,
    Interval,
    TableClause,
    Text,
    any_,
    bindparam,
    column,
    delete,
    exists,
    func,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import TERMINAL, Status
from store.queries import partitions
from store.tables.doubts import doubts
from store.tables.search import search_queue, task_search
from store.tables.tasks import attempts, outbox, task_arguments, task_results, tasks
from store.tables.workflows import workflow_events, workflow_steps, workflow_submissions, workflow_wakes, workflows

QUIET = timedelta(minutes=1)
"""A task that was written more lately may have rows which a statement begun before that does not see."""


MAX_WORKFLOWS = 50
"""Whose tasks one statement looks at: up to 1,000 each."""

_kept_for = bindparam("kept_for", type_=Interval)
_batch_size = bindparam("batch_size", type_=Integer)
_events_default = table("events_default", column("task_id"))


def _has_ended(kind: TableClause, ended_at: ColumnElement[object]) -> ColumnElement[bool]:
    """Return the condition that it ended in this status so long ago; `created_at` is earlier and has an index."""
    then = func.now() - _kept_for
    return (kind.c.status == bindparam("status", type_=Text)) & (kind.c.created_at < then) & (ended_at < then)


def _any_of(claimed: CTE) -> ColumnElement[bool]:
    """The claimed ids as an array: so they are always looked up by index, however many Postgres expects."""
    (key,) = claimed.c
    return any_(func.array(select(key).scalar_subquery(), type_=ARRAY(key.type)))


def _deletes(claimed: CTE, *kinds: TableClause) -> list[Delete]:
    """One for each table that has the claimed ids."""
    (key,) = claimed.c
    return [delete(kind).where(kind.c[key.name] == _any_of(claimed)) for kind in kinds]


def _at_once(first: Delete, *others: Delete) -> Delete:
    """One statement, which tells how many rows the first has deleted."""
    return first.add_cte(*(other.cte(f"of_{nth}") for nth, other in enumerate(others)))


_OF_TASKS = (tasks, doubts, task_arguments, task_results, attempts, task_search, _events_default)
# What stands in the search queue waits until it is indexed: that loop locks its rows in another order.
_is_held = or_(
    tasks.c.status.not_in(TERMINAL),
    tasks.c.checked_at >= func.now() - QUIET,
    exists().where(outbox.c.task_id == tasks.c.task_id),
    exists().where(search_queue.c.task_id == tasks.c.task_id),
)
_old_tasks = (
    select(tasks.c.task_id)
    .where(
        _has_ended(tasks, func.coalesce(tasks.c.completed_at, tasks.c.checked_at)),
        tasks.c.workflow_id.is_(None),
        ~_is_held,
    )
    .order_by(tasks.c.created_at)
    .limit(_batch_size)
    .with_for_update(of=tasks, skip_locked=True)
    .cte("old_tasks")
)
_delete_tasks = _at_once(*_deletes(_old_tasks, *_OF_TASKS))


async def delete_tasks(connection: AsyncConnection, *, status: Status, kept_for: timedelta, batch_size: int) -> int:
    """Delete up to so many tasks that ended in this status longer ago; returns how many (index tasks_status).

    Left for later: tasks that somebody has locked or just written, and those of workflows.
    """
    values = {"status": status, "kept_for": kept_for, "batch_size": batch_size}
    return (await connection.execute(_delete_tasks, values)).rowcount


_is_old = _has_ended(workflows, workflows.c.completed_at)
_candidates = (
    select(workflows.c.workflow_id, workflows.c.step_count, workflows.c.created_at)
    .where(_is_old, ~exists().where(tasks.c.workflow_id == workflows.c.workflow_id, _is_held))
    .order_by(workflows.c.created_at)
    .limit(MAX_WORKFLOWS)
    .subquery()
)
_in_order = (_candidates.c.created_at, _candidates.c.workflow_id)
_steps_so_far = select(
    _candidates.c.workflow_id,
    (func.sum(_candidates.c.step_count).over(order_by=_in_order) - _candidates.c.step_count).label("steps"),
).subquery()
_few = select(_steps_so_far.c.workflow_id).where(_steps_so_far.c.steps < _batch_size)
_old_workflows = (
    select(workflows.c.workflow_id)
    .where(workflows.c.workflow_id.in_(_few), _is_old)
    .with_for_update(skip_locked=True)
    .cte("old_workflows")
)
_their_tasks = (
    select(tasks.c.task_id)
    .where(tasks.c.workflow_id == _any_of(_old_workflows))
    .order_by(tasks.c.task_id)
    .with_for_update()
    .cte("their_tasks")
)
_OF_WORKFLOWS = (workflows, workflow_steps, workflow_submissions, workflow_wakes, workflow_events)
_delete_workflows = _at_once(*_deletes(_old_workflows, *_OF_WORKFLOWS), *_deletes(_their_tasks, *_OF_TASKS))


async def delete_workflows(connection: AsyncConnection, *, status: Status, kept_for: timedelta, batch_size: int) -> int:
    """Delete workflows that ended in this status longer ago, whole, until that is so many steps; returns how many.

    The last one may go beyond, and 50 go at most (index workflows_status). Left for later: those that somebody has
    locked, and those with a task that is unfinished, in the outbox or just written.
    """
    values = {"status": status, "kept_for": kept_for, "batch_size": batch_size}
    return (await connection.execute(_delete_workflows, values)).rowcount


# Who survives is found while the day can still be read; only then is `events` locked, for as long as it takes to
# detach the day and to put back a few rows. Their day being gone, they land in the default partition.
_DROP_DAY = (
    "SET LOCAL statement_timeout = '10min'",
    "LOCK TABLE {day} IN SHARE MODE",
    "CREATE TEMPORARY TABLE surviving ON COMMIT DROP AS SELECT * FROM {day} AS old"
    " WHERE EXISTS (SELECT FROM tasks WHERE tasks.task_id = old.task_id)",
    "ALTER TABLE events DETACH PARTITION {day}",
    "DROP TABLE {day}",
    "INSERT INTO events SELECT * FROM surviving",
)


async def drop_oldest_day(connection: AsyncConnection, *, kept_for: timedelta) -> str | None:
    """Drop the oldest partition whose whole day (UTC) is longer ago, but for the events of tasks that are still there.

    Returns its name, None if there is none. Raises OperationalError if a lock is not to be had within 1 s.
    """
    return await partitions.drop_oldest_day(connection, "events", kept_for=kept_for, statements=_DROP_DAY)
