"""Workflows as clients see them: stored whole and read whole. `lists.py` lists them, `progress.py` takes them on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Integer,
    Select,
    SmallInteger,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.errors import ArgumentsNotRecorded
from domain.submissions import Submission
from domain.workflows.dag import Dag, invert
from domain.workflows.definition import NewWorkflow, Step
from domain.workflows.steps import OnFailure
from store.at_rest import AtRest, at_rest_of
from store.batch import batch_of, bind_rows
from store.queries.tasks.documents import shortened
from store.tables.base import Time
from store.tables.tasks import task_results, tasks
from store.tables.workflows import workflow_events, workflow_steps, workflow_submissions, workflows

SHOWN_RESULT_BYTES = 64 * 1024
"""A step's result above this is left out where all of its workflow are shown: a thousand may be."""
SHOWN_RESULTS_BYTES = 2 * 1024 * 1024
"""What all results of a workflow may be in all; those of later steps are left out."""


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A workflow without its steps: a row of its table, in the order of its columns."""

    workflow_id: UUID
    name: str
    on_failure: str
    status: str
    step_count: int
    unfinished: int
    """How many of the steps are not settled."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    stopped_at: datetime | None
    original_workflow_id: UUID | None
    filled_bytes: int
    submitted_by: str | None


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step, what it submits, and how its task went: the columns of `_progress`, in their order."""

    position: int
    step_id: str
    task_id: str
    status: str
    children: Sequence[int]
    """The positions of the steps that wait for it."""
    ended_at: datetime | None
    error: str | None
    task_name: str
    queue_name: str
    priority: int
    max_retries: int
    timeout_seconds: int | None
    scheduled_at: datetime | None
    created_at: datetime | None
    """The time at which it became a task; all times below are those of its task."""
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    node: str | None
    retry_count: int


_insert_workflow = insert(workflows)
_STEP = ("position", "step_id", "task_id", "status", "waiting_for", "children")
_new_steps = batch_of(position=Integer, step_id=Text, task_id=Text, status=Text, waiting_for=Integer, children=Text)
_workflow = bindparam("workflow", type_=Uuid)
_insert_steps = insert(workflow_steps).from_select(
    ("workflow_id", *_STEP),
    # An array of arrays would be unnested to its numbers.
    select(_workflow, *(_new_steps.c[name] for name in _STEP[:-1]), cast(_new_steps.c.children, ARRAY(Integer))),
)
ARGUMENTS = ("args", "kwargs")
"""The columns of a step that are encrypted at rest."""
_SUBMITTED = ("task_name", "args", "kwargs", "queue_name", "priority", "max_retries", "timeout_seconds", "scheduled_at")
_SUBMISSION = ("position", "has_references", *_SUBMITTED)
_new_submissions = batch_of(
    position=Integer,
    has_references=workflow_submissions.c.has_references.type,
    task_name=Text,
    args=Text,
    kwargs=Text,
    queue_name=Text,
    priority=SmallInteger,
    max_retries=Integer,
    timeout_seconds=Integer,
    scheduled_at=Time,
)
_insert_submissions = insert(workflow_submissions).from_select(
    ("workflow_id", *_SUBMISSION),
    select(_workflow, *(cast(c, JSON) if c.name in ("args", "kwargs") else c for c in _new_submissions.c)),
)
_insert_event = insert(workflow_events)


async def add_workflow(connection: AsyncConnection, new: NewWorkflow) -> None:
    """Insert a workflow, its steps and what they submit: four statements, however many steps."""
    row = {
        "workflow_id": new.workflow_id,
        "name": new.name,
        "on_failure": new.on_failure.value,
        "status": new.status.value,
        "step_count": len(new.steps),
        "unfinished": len(new.steps),
        "created_at": new.created_at,
        "original_workflow_id": new.original_workflow_id,
        "submitted_by": new.submitted_by,
    }
    await connection.execute(_insert_workflow, row)
    this = {"workflow": new.workflow_id}
    await connection.execute(_insert_steps, this | bind_rows(_STEP, _step_rows(new)))
    await connection.execute(
        _insert_submissions, this | bind_rows(_SUBMISSION, _submission_rows(at_rest_of(connection), new))
    )
    event = {"workflow_id": new.workflow_id, "occurred_at": new.created_at, "event_type": "submitted"}
    await connection.execute(_insert_event, event)


def _step_rows(new: NewWorkflow) -> list[tuple[object, ...]]:
    children = new.dag.children
    return [
        (
            position,
            step.step_id,
            step.submission.task_id,
            new.status_of(position).value,
            len(new.dag.parents[position]),
            f"{{{','.join(map(str, children[position]))}}}",
        )
        for position, step in enumerate(new.steps)
    ]


def _submission_rows(vault: AtRest, new: NewWorkflow) -> list[tuple[object, ...]]:
    return [
        (
            position,
            step.has_references,
            *_submitted(vault, step.submission, owner=owner_of(new.workflow_id, position)),
        )
        for position, step in enumerate(new.steps)
    ]


def _submitted(vault: AtRest, submission: Submission, *, owner: str) -> Iterable[object]:
    values = {name: getattr(submission, name) for name in _SUBMITTED}
    if vault.seals:
        values |= {name: vault.seal_json(values[name], owner, column=name) for name in ARGUMENTS}
    return values.values()


def owner_of(workflow_id: UUID, position: int) -> str:
    """Return what the arguments of a step are bound to where they are encrypted at rest; its task may be another."""
    return f"{workflow_id}:{position}"


_definition = (
    select(
        workflow_steps.c.step_id,
        workflow_steps.c.task_id,
        workflow_steps.c.children,
        workflow_submissions.c.has_references,
        *(
            cast(workflow_submissions.c[name], Text).label(name)
            if name in ("args", "kwargs")
            else workflow_submissions.c[name]
            for name in _SUBMITTED
        ),
    )
    .join(
        workflow_submissions,
        (workflow_submissions.c.workflow_id == workflow_steps.c.workflow_id)
        & (workflow_submissions.c.position == workflow_steps.c.position),
    )
    .where(workflow_steps.c.workflow_id == _workflow)
    .order_by(workflow_steps.c.position)
)


async def get_definition(connection: AsyncConnection, workflow_id: UUID) -> NewWorkflow | None:
    """Return a workflow as it was submitted (primary keys); None if there is none.

    Raises ArgumentsNotRecorded where they are encrypted and cannot be read.
    """
    workflow = await get_workflow(connection, workflow_id)
    if workflow is None:
        return None
    rows = (await connection.execute(_definition, {"workflow": workflow_id})).all()
    vault = at_rest_of(connection)
    steps = [
        Step(
            step_id=row.step_id,
            has_references=row.has_references,
            submission=Submission(
                task_id=row.task_id,
                created_at=workflow.created_at,
                workflow_id=workflow_id,
                **_opened(vault, row._mapping, owner=owner_of(workflow_id, position)),
            ),
        )
        for position, row in enumerate(rows)
    ]
    return NewWorkflow(
        workflow_id=workflow_id,
        name=workflow.name,
        on_failure=OnFailure(workflow.on_failure),
        steps=steps,
        dag=Dag(invert([row.children for row in rows])),
        created_at=workflow.created_at,
        original_workflow_id=workflow.original_workflow_id,
    )


def _opened(vault: AtRest, submitted: Mapping[Any, Any], *, owner: str) -> dict[str, Any]:
    try:
        return {name: submitted[name] for name in _SUBMITTED} | open_arguments(vault, submitted, owner=owner)
    except CannotOpen as error:
        raise ArgumentsNotRecorded(f"What a step of this workflow is given {error.reason}.") from error


def open_arguments(vault: AtRest, submitted: Mapping[Any, Any], *, owner: str) -> dict[str, str]:
    """Return the arguments of a step, decrypted. Raises CannotOpen."""
    return {name: vault.open_json(submitted[name], owner, column=name) for name in ARGUMENTS}


_one = select(workflows).where(workflows.c.workflow_id == _workflow)


async def get_workflow(connection: AsyncConnection, workflow_id: UUID) -> StoredWorkflow | None:
    """Return one workflow without its steps (primary key); None if there is none."""
    row = (await connection.execute(_one, {"workflow": workflow_id})).one_or_none()
    return StoredWorkflow(*row) if row else None


_progress: Select[Any] = (
    select(
        *(workflow_steps.c[name] for name in ("position", "step_id", "task_id", "status", "children", "ended_at")),
        shortened(func.coalesce(workflow_steps.c.error, tasks.c.exception)).label("error"),
        *(workflow_submissions.c[name] for name in _SUBMITTED if name not in ("args", "kwargs")),
        *(tasks.c[name] for name in ("created_at", "started_at", "completed_at", "duration_seconds", "node")),
        func.coalesce(tasks.c.retry_count, 0).label("retry_count"),
    )
    .join(
        workflow_submissions,
        (workflow_submissions.c.workflow_id == workflow_steps.c.workflow_id)
        & (workflow_submissions.c.position == workflow_steps.c.position),
    )
    .outerjoin(tasks, tasks.c.task_id == workflow_steps.c.task_id)
    .where(workflow_steps.c.workflow_id == _workflow)
    .order_by(workflow_steps.c.position)
)


async def list_steps(connection: AsyncConnection, workflow_id: UUID) -> list[StepProgress]:
    """Return all steps of a workflow with how their tasks went, in the client's order (primary keys)."""
    return [StepProgress(*row) for row in await connection.execute(_progress, {"workflow": workflow_id})]


# What is larger as stored is not unpacked. Each size is asked for once, since a CTE that is used twice stays apart.
_sized = (
    select(
        workflow_steps.c.position,
        workflow_steps.c.task_id,
        case(
            (task_results.c.truncated, None),
            (func.pg_column_size(task_results.c.result) > SHOWN_RESULT_BYTES, None),
            else_=func.octet_length(cast(task_results.c.result, Text)),
        ).label("size"),
    )
    .join(task_results, task_results.c.task_id == workflow_steps.c.task_id)
    .where(workflow_steps.c.workflow_id == _workflow, task_results.c.result.is_not(None) | task_results.c.truncated)
    .cte("sized")
)
_small = select(_sized.c.task_id, func.sum(_sized.c.size).over(order_by=_sized.c.position).label("up_to")).where(
    _sized.c.size <= SHOWN_RESULT_BYTES
)
_shown = _small.subquery("small")
_results = (
    select(_sized.c.task_id, task_results.c.result)
    .outerjoin(_shown, (_shown.c.task_id == _sized.c.task_id) & (_shown.c.up_to <= SHOWN_RESULTS_BYTES))
    .outerjoin(task_results, task_results.c.task_id == _shown.c.task_id)
)
_is_omitted = _shown.c.task_id.is_(None).label("is_omitted")


async def list_results(connection: AsyncConnection, workflow_id: UUID) -> tuple[dict[str, object], set[str]]:
    """Return a workflow's results by task id, and the ids of those that are too large to be shown with all others.

    At most `SHOWN_RESULT_BYTES` each and `SHOWN_RESULTS_BYTES` together (primary keys).
    """
    rows = (await connection.execute(_results.add_columns(_is_omitted), {"workflow": workflow_id})).all()
    omitted = {row.task_id for row in rows if row.is_omitted}
    results: dict[str, object] = {}
    vault = at_rest_of(connection)
    for row in rows:
        if row.task_id not in omitted:
            try:
                results[row.task_id] = vault.open_value(row.result, row.task_id, column="result")
            except CannotOpen:
                omitted.add(row.task_id)
    return results, omitted


_events = (
    select(workflow_events.c.occurred_at, workflow_events.c.event_type)
    .where(workflow_events.c.workflow_id == _workflow)
    .order_by(workflow_events.c.occurred_at)
)
_task_ids = select(tasks.c.task_id, tasks.c.events_from).where(tasks.c.workflow_id == _workflow)


async def list_events(connection: AsyncConnection, workflow_id: UUID) -> list[tuple[datetime, str]]:
    """Return what happened to a workflow as a whole and when, oldest first (primary key)."""
    rows = await connection.execute(_events, {"workflow": workflow_id})
    return [(row.occurred_at, row.event_type) for row in rows]


async def list_tasks(connection: AsyncConnection, workflow_id: UUID) -> dict[str, datetime]:
    """Return every task that a step has had, those before a retry too, and since when it has events (index
    tasks_workflow).
    """
    rows = await connection.execute(_task_ids, {"workflow": workflow_id})
    return {row.task_id: row.events_from for row in rows}
