"""The statements by which workflows as a whole go on: woken, locked, written when they begin and end, noted.

What concerns their steps is in `steps.py`, retries in `retries.py`; storing and listing workflows in `documents.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Integer,
    Interval,
    Text,
    Uuid,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import TERMINAL
from domain.workflows.steps import OnFailure, WorkflowStatus
from store.listener import WORKFLOWS
from store.tables.base import Time
from store.tables.tasks import tasks
from store.tables.workflows import workflow_events, workflow_steps, workflow_wakes, workflows

LOOK_AT = 1_000
"""Among how many wakes a workflow is chosen: many may be of one that another process holds."""

_wake = insert(workflow_wakes).values(
    # Not from the transaction's start: behind those that were woken while it lasted.
    workflow_id=bindparam("workflow", type_=Uuid),
    due_at=func.clock_timestamp() + bindparam("after", type_=Interval),
)


async def wake(connection: AsyncConnection, workflow_id: UUID, *, after: timedelta = timedelta(0)) -> None:
    """Have the workflow looked at, after this time."""
    await connection.execute(_wake, {"workflow": workflow_id, "after": after})
    await notify(connection)


_postpone = (
    update(workflow_wakes)
    .where(workflow_wakes.c.workflow_id == bindparam("workflow", type_=Uuid))
    .values(due_at=func.now() + bindparam("by", type_=Interval))
)


async def postpone(connection: AsyncConnection, workflow_id: UUID, *, by: timedelta) -> None:
    """Let others go first: nobody looks at this one before then."""
    await connection.execute(_postpone, {"workflow": workflow_id, "by": by})


async def notify(connection: AsyncConnection) -> None:
    """Wake the loop when this transaction commits."""
    await connection.execute(text(f"NOTIFY {WORKFLOWS}"))


@dataclass(frozen=True, slots=True)
class LockedWorkflow:
    """A workflow that nobody else takes further while this transaction lasts."""

    workflow_id: UUID
    on_failure: OnFailure
    status: WorkflowStatus
    unfinished: int
    cancel_requested_at: datetime | None
    stopped_at: datetime | None
    filled_bytes: int
    submitted_by: str | None


_locked = select(
    workflows.c.workflow_id,
    workflows.c.on_failure,
    workflows.c.status,
    workflows.c.unfinished,
    workflows.c.cancel_requested_at,
    workflows.c.stopped_at,
    workflows.c.filled_bytes,
    workflows.c.submitted_by,
)
_lock = _locked.where(workflows.c.workflow_id == bindparam("workflow", type_=Uuid)).with_for_update()
_lock_going_on = _locked.where(
    workflows.c.workflow_id == bindparam("workflows", type_=ARRAY(Uuid)).any_(),
    workflows.c.unfinished > bindparam("ends", type_=Integer),
    workflows.c.cancel_requested_at.is_(None),
    workflows.c.stopped_at.is_(None),
).with_for_update(skip_locked=True)
any_woken = exists().where(workflow_wakes.c.due_at <= func.now())
"""Whether `claim_woken` may find anything."""
_due = (
    select(workflow_wakes.c.workflow_id, workflow_wakes.c.due_at)
    .where(workflow_wakes.c.due_at <= func.now())
    .order_by(workflow_wakes.c.due_at)
    .limit(LOOK_AT)
    .subquery()
)
_longest_due = select(_due.c.workflow_id, func.min(_due.c.due_at).label("due_at")).group_by(_due.c.workflow_id)
_woken = _longest_due.subquery()
_claimed = (
    _locked.join(_woken, _woken.c.workflow_id == workflows.c.workflow_id)
    .order_by(_woken.c.due_at)
    .limit(1)
    .with_for_update(of=workflows, skip_locked=True)
    .cte("claimed")
)
_answered = (
    delete(workflow_wakes)
    .where(workflow_wakes.c.workflow_id == _claimed.c.workflow_id, workflow_wakes.c.due_at <= func.now())
    .cte("answered")
)
_claim = select(_claimed).add_cte(_answered)
_has_due = select(exists().where(workflow_wakes.c.due_at <= func.clock_timestamp()))


async def lock(connection: AsyncConnection, workflow_id: UUID) -> LockedWorkflow | None:
    """Lock a workflow (primary key); None if there is none."""
    row = (await connection.execute(_lock, {"workflow": workflow_id})).one_or_none()
    return _as_locked(row) if row else None


async def lock_going_on(
    connection: AsyncConnection, workflow_ids: Collection[UUID], *, ends: int
) -> list[LockedWorkflow]:
    """Lock those of these workflows that nobody holds, that go on, and that so many ends do not end (primary key)."""
    rows = await connection.execute(_lock_going_on, {"workflows": list(workflow_ids), "ends": ends})
    return [_as_locked(row) for row in rows]


async def claim_woken(connection: AsyncConnection) -> LockedWorkflow | None:
    """Lock the workflow longest due that nobody holds, and answer its wakes; returns None if there is none.

    Its wakes go before its steps are read: an end that comes later comes with a wake of its own.
    """
    row = (await connection.execute(_claim)).one_or_none()
    return _as_locked(row) if row else None


async def has_due(connection: AsyncConnection) -> bool:
    """Tell whether a workflow is due, those included that others hold (index workflow_wakes_due)."""
    return bool((await connection.execute(_has_due)).scalar_one())


def _as_locked(row: Any) -> LockedWorkflow:
    return LockedWorkflow(
        row.workflow_id,
        OnFailure(row.on_failure),
        WorkflowStatus(row.status),
        row.unfinished,
        row.cancel_requested_at,
        row.stopped_at,
        row.filled_bytes,
        row.submitted_by,
    )


_first_start = (
    select(func.min(tasks.c.first_started_at))
    .where(tasks.c.workflow_id == bindparam("workflow", type_=Uuid))
    .scalar_subquery()
)
_last_end = (
    select(func.max(workflow_steps.c.ended_at))
    .where(workflow_steps.c.workflow_id == bindparam("workflow", type_=Uuid))
    .scalar_subquery()
)
_of_row = workflows.c.workflow_id == bindparam("workflow", type_=Uuid)
_write = (
    update(workflows)
    .where(_of_row)
    .values(status=bindparam("new_status", type_=Text), unfinished=bindparam("left", type_=Integer))
)
_begin = _write.values(started_at=func.coalesce(workflows.c.started_at, _first_start))
_end = _begin.values(completed_at=_last_end)
_add_event = insert(workflow_events).values(
    workflow_id=bindparam("workflow", type_=Uuid),
    event_type=bindparam("event_type", type_=Text),
    occurred_at=func.coalesce(bindparam("at", type_=Time), func.clock_timestamp()),
)
_write_filled = update(workflows).where(_of_row).values(filled_bytes=bindparam("bytes", type_=BigInteger))
_request_cancel = update(workflows).where(_of_row).values(cancel_requested_at=func.now())
_stop = update(workflows).where(_of_row).values(stopped_at=func.now())


async def write_progress(
    connection: AsyncConnection, workflow: LockedWorkflow, *, status: WorkflowStatus, unfinished: int
) -> None:
    """Write the status of a locked workflow and how many of its steps are not settled.

    Its first start and its last end are taken from its steps when it begins and when it ends.
    """
    statement = _write
    if status is not workflow.status:
        statement = _begin if status is WorkflowStatus.RUNNING else _end
    values = {"workflow": workflow.workflow_id, "new_status": status.value, "left": unfinished}
    await connection.execute(statement, values)


async def write_filled(connection: AsyncConnection, workflow_id: UUID, *, filled_bytes: int) -> None:
    """Write how large results have made the arguments of a locked workflow's steps, all together."""
    await connection.execute(_write_filled, {"workflow": workflow_id, "bytes": filled_bytes})


async def request_cancel(connection: AsyncConnection, workflow_id: UUID) -> None:
    """Store the wish that it be cancelled."""
    await connection.execute(_request_cancel, {"workflow": workflow_id})


async def stop(connection: AsyncConnection, workflow_id: UUID) -> None:
    """Store that nothing new of it may start, and have it looked at for what has not started."""
    await connection.execute(_stop, {"workflow": workflow_id})
    await wake(connection, workflow_id)


async def add_event(
    connection: AsyncConnection, workflow_id: UUID, *, event_type: str, at: datetime | None = None
) -> None:
    """Note what happened to the workflow as a whole; now, unless told otherwise."""
    await connection.execute(_add_event, {"workflow": workflow_id, "event_type": event_type, "at": at})


_count_ends = select(func.count()).where(
    workflow_events.c.workflow_id == bindparam("workflow", type_=Uuid),
    workflow_events.c.event_type.in_(sorted(status.lower() for status in TERMINAL)),
)


async def count_ends(connection: AsyncConnection, workflow_id: UUID) -> int:
    """Return how often a workflow has come to an end: again, if it was retried (primary key of workflow_events)."""
    return int((await connection.execute(_count_ends, {"workflow": workflow_id})).scalar_one())
