"""The statements by which a workflow that has ended goes on again, with new tasks for the steps not completed, and what
is known of that later.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, Text, Uuid, any_, bindparam, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workflows.pauses import EVENT_TYPES, Pause, pauses_of
from domain.workflows.steps import StepStatus, WorkflowStatus
from store.batch import batch_of, bind_rows
from store.tables.workflows import workflow_events, workflow_steps, workflows

KEPT_TRIES = 20
"""A step keeps so many tasks of its earlier tries, the latest; events of older ones are told without its name."""

_steps = workflow_steps.c
_of_workflow = _steps.workflow_id == bindparam("workflow", type_=Uuid)
_AGAIN = ("position", "waiting_for", "new_task_id")
_again = batch_of(position=Integer, waiting_for=Integer, new_task_id=Text)
_tries = func.array_append(_steps.earlier_task_ids, _steps.task_id, type_=ARRAY(Text))
_latest = _tries[func.cardinality(_tries) - (KEPT_TRIES - 1) : func.cardinality(_tries)]
_reset = (
    update(workflow_steps)
    .where(_of_workflow, _steps.position == _again.c.position)
    .values(
        status=StepStatus.WAITING.value,
        waiting_for=_again.c.waiting_for,
        task_id=func.coalesce(_again.c.new_task_id, _steps.task_id),
        earlier_task_ids=case((_again.c.new_task_id.is_(None), _steps.earlier_task_ids), else_=_latest),
        settled=literal(value=False),
        ended_at=None,
        error=None,
    )
)


async def reset_steps(
    connection: AsyncConnection, workflow_id: UUID, *, waiting_for: Mapping[int, int], new_task_ids: Mapping[int, str]
) -> None:
    """Let these steps wait again for so many others; those that had a task get another id (primary key)."""
    rows = [(position, count, new_task_ids.get(position)) for position, count in waiting_for.items()]
    await connection.execute(_reset, {"workflow": workflow_id} | bind_rows(_AGAIN, rows))


_reopen = (
    update(workflows)
    .where(workflows.c.workflow_id == bindparam("workflow", type_=Uuid))
    .values(
        status=WorkflowStatus.RUNNING.value,
        unfinished=bindparam("left", type_=Integer),
        completed_at=None,
        cancel_requested_at=None,
        stopped_at=None,
        filled_bytes=0,
    )
)


async def reopen(connection: AsyncConnection, workflow_id: UUID, *, unfinished: int) -> None:
    """Make an ended workflow go on, with so many steps to do."""
    await connection.execute(_reopen, {"workflow": workflow_id, "left": unfinished})


_earlier = select(_steps.step_id, func.unnest(_steps.earlier_task_ids, type_=Text).label("task_id")).where(_of_workflow)


async def list_earlier_tries(connection: AsyncConnection, workflow_id: UUID) -> dict[str, str]:
    """Return the step of each task that a retry of the workflow has replaced (primary key)."""
    rows = await connection.execute(_earlier, {"workflow": workflow_id})
    return {row.task_id: row.step_id for row in rows}


_ends_and_retries = (
    select(workflow_events.c.workflow_id, workflow_events.c.occurred_at, workflow_events.c.event_type)
    .where(
        workflow_events.c.workflow_id == any_(bindparam("workflows", type_=ARRAY(Uuid))),
        workflow_events.c.event_type.in_(sorted(EVENT_TYPES)),
    )
    .order_by(workflow_events.c.workflow_id, workflow_events.c.occurred_at)
)


async def list_pauses(connection: AsyncConnection, workflow_ids: Sequence[UUID]) -> dict[UUID, list[Pause]]:
    """Return the pauses of each of these workflows that was retried (primary key of workflow_events)."""
    rows = await connection.execute(_ends_and_retries, {"workflows": list(workflow_ids)})
    events: defaultdict[UUID, list[tuple[datetime, str]]] = defaultdict(list)
    for workflow_id, at, event_type in rows:
        events[workflow_id].append((at, event_type))
    return {workflow_id: pauses for workflow_id, told in events.items() if (pauses := pauses_of(told))}
