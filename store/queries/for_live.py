"""What open pages are told: how the whole is at this moment, and marks of what may have changed since it was read last.

A mark is compared with the one before, and nothing else is made of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import Measure
from domain.states import Status
from domain.workers.status import WorkerStatus
from store.batch import IDS
from store.queries.workers.nodes import has_status
from store.tables.alerts import alerts
from store.tables.rollups import rollup_deltas, rollup_minutes
from store.tables.tasks import tasks
from store.tables.workers import workers
from store.tables.workflows import workflow_steps, workflows

WAIT_WINDOW = timedelta(minutes=1)
"""The whole minutes, with the one that is not over, over which the wait of those that have started is averaged."""


def _hash_of(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    return func.hashtextextended(cast(func.jsonb_build_array(*columns), Text), 0)


def _mark_of(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """A number that is another one when any of these has changed in any row; the order of rows does not matter."""
    return func.coalesce(func.bit_xor(_hash_of(*columns)), 0)


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """The figures that one statement tells."""

    running: int
    mean_wait_seconds: float | None
    """How long those waited that have started in this minute and the one before; None where none has."""
    newest_workflow_at: datetime | None
    has_unfinished_workflows: bool


_running = select(func.count()).select_from(tasks).where(tasks.c.status == literal("RUNNING", literal_execute=True))
_started = Measure.STARTED.value
_since = func.date_trunc("minute", func.now()) - literal(WAIT_WINDOW)
_waits = union_all(
    select(rollup_minutes.c.timed.label("count"), rollup_minutes.c.microseconds).where(
        rollup_minutes.c.starts_at >= _since, rollup_minutes.c.measure == _started
    ),
    select(rollup_deltas.c.count, rollup_deltas.c.microseconds).where(
        rollup_deltas.c.starts_at >= _since, rollup_deltas.c.measure == _started, rollup_deltas.c.bucket.is_not(None)
    ),
).subquery("waits")
_mean_wait = select(func.sum(_waits.c.microseconds) / func.nullif(func.sum(_waits.c.count), 0) / 1e6)
_unfinished = exists().where(workflows.c.status.in_([Status.PENDING.value, Status.RUNNING.value]))
_figures = select(
    _running.scalar_subquery(),
    _mean_wait.scalar_subquery(),
    select(func.max(workflows.c.created_at)).scalar_subquery(),
    _unfinished,
)


async def get_figures(connection: AsyncConnection) -> LiveFigures:
    """Return them (indexes tasks_node_running, workflows_created, workflows_status; the minutes by primary key)."""
    running, wait, newest, has_unfinished = (await connection.execute(_figures)).one()
    return LiveFigures(running, None if wait is None else max(0.0, float(wait)), newest, has_unfinished)


@dataclass(frozen=True, slots=True)
class Census:
    """How many there are of each kind, and the mark of all."""

    counts: dict[str, int]
    mark: int


_status = case(*((has_status(status), status.value) for status in WorkerStatus))
_SHOWN = (
    *("node", "capacity", "concurrency", "queues", "consuming", "want_paused", "is_paused", "resize_target"),
    *("drain_shutdown_at", "drain_finished_at", "drain_remaining", "plugin", "described_at", "unreadable"),
)
_shown = select(_status.label("status"), *(workers.c[name] for name in _SHOWN)).subquery()
_workers = select(_shown.c.status, func.count(), _mark_of(*_shown.c)).group_by(_shown.c.status)


async def count_workers(connection: AsyncConnection) -> Census:
    """Count workers by status; they number in the thousands at most."""
    return await _count(connection, _workers)


_alerts = (
    select(
        alerts.c.severity,
        func.count(),
        _mark_of(alerts.c.alert_id, alerts.c.severity, alerts.c.acknowledged_at, alerts.c.description),
    )
    .where(alerts.c.resolved_at.is_(None))
    .group_by(alerts.c.severity)
)


async def count_alerts(connection: AsyncConnection) -> Census:
    """Count open alerts by severity (index alerts_open)."""
    return await _count(connection, _alerts)


async def _count(connection: AsyncConnection, statement: Any) -> Census:
    rows = (await connection.execute(statement)).all()
    mark = 0
    for _, _, of_kind in rows:
        mark ^= of_kind
    return Census({kind: count for kind, count, _ in rows}, mark)


# Not `checked_at`: the sweep moves it every few seconds.
_OF_TASK = (
    *("status", "phase", "fact_count", "attempt_count", "task_name", "queue_name", "scheduled_at", "completed_at"),
    *("cancel_requested_at", "result_pending", "outcome", "exception", "workflow_id"),
)
_watched_tasks = select(tasks.c.task_id, _hash_of(*(tasks.c[name] for name in _OF_TASK))).where(
    tasks.c.task_id == any_(bindparam("ids", type_=IDS))
)


async def mark_tasks(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, int]:
    """Return the marks of those of these tasks that are there (primary key)."""
    rows = await connection.execute(_watched_tasks, {"ids": list(task_ids)})
    return {row.task_id: row[1] for row in rows}


_steps = (
    select(_mark_of(workflow_steps.c.position, workflow_steps.c.status, workflow_steps.c.settled))
    .where(workflow_steps.c.workflow_id == workflows.c.workflow_id)
    .correlate(workflows)
    .scalar_subquery()
)
_own = _hash_of(*workflows.c)
_watched_workflows = select(workflows.c.workflow_id, _own, _steps).where(
    workflows.c.workflow_id == any_(bindparam("ids", type_=ARRAY(Uuid)))
)


async def mark_workflows(connection: AsyncConnection, workflow_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return the marks of those of these workflows that are there, with those of their steps (primary keys)."""
    rows = await connection.execute(_watched_workflows, {"ids": list(workflow_ids)})
    return {workflow_id: (own, of_steps) for workflow_id, own, of_steps in rows}
