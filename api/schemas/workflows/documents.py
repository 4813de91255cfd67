"""Workflows on the wire: submissions, rows of lists, one whole, its timeline. Its graph is in `graphs.py`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.tasks import TaskSubmission, TimelineEvent
from api.schemas.types import JsonValue, Text, Timestamp
from domain.facts import Detail
from domain.json_values import is_too_deep
from domain.redaction.rules import COMMON, Branch, Redaction
from domain.workers.status import hostname
from domain.workflows.dag import MAX_STEPS, invert
from domain.workflows.definition import NewWorkflow
from domain.workflows.pauses import Pause
from domain.workflows.steps import OnFailure, StepStatus, WorkflowStatus
from services.workflows.timeline import Happening
from store.queries.workflows.documents import StepProgress, StoredWorkflow

StepId = Annotated[Text, Field(min_length=1, max_length=255, examples=["extract"])]
Name = Annotated[Text, Field(min_length=1, max_length=255, examples=["nightly-report"])]


class StepSubmission(TaskSubmission):
    """A step: the fields of `POST /tasks`, an id, and what it waits for.

    `{"$result": "<step id>", "pointer": "/rows/0"}` anywhere in the arguments stands for the result of that step, or
    for the part of it that the JSON pointer leads to, and makes this step wait for it.
    """

    id: StepId
    depends_on: Annotated[list[StepId], Field(max_length=MAX_STEPS)] = Field(
        default=[], description="Steps that must complete before this one starts."
    )


class WorkflowSubmission(RequestModel):
    """The body of `POST /workflows`."""

    name: Name
    on_failure: Annotated[OnFailure, Field(strict=False)] = Field(
        OnFailure.STOP,
        description="When a step does not complete: `stop` starts nothing new, `continue` goes on with the steps that "
        "do not depend on it.",
    )
    steps: Annotated[list[StepSubmission], Field(min_length=1, max_length=MAX_STEPS)]


class StepRow(ResponseModel):
    """A step in short."""

    id: str
    task_id: str = Field(description="Of the task that the step becomes; there is no such task before it starts.")
    status: StepStatus


class SubmittedWorkflow(ResponseModel):
    """A workflow that was accepted."""

    workflow_id: UUID
    name: str
    status: WorkflowStatus
    created_at: Timestamp
    steps: list[StepRow]
    original_workflow_id: UUID | None

    @classmethod
    def from_new(cls, new: NewWorkflow) -> Self:
        steps = [
            StepRow(id=step.step_id, task_id=step.submission.task_id, status=new.status_of(position))
            for position, step in enumerate(new.steps)
        ]
        return cls(
            workflow_id=new.workflow_id,
            name=new.name,
            status=new.status,
            created_at=new.created_at,
            steps=steps,
            original_workflow_id=new.original_workflow_id,
        )


class WorkflowRow(ResponseModel):
    """A workflow as lists show it."""

    workflow_id: UUID
    name: str
    status: WorkflowStatus
    on_failure: OnFailure
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None = Field(description="From the start of its first step to the end of its last.")
    retry_pause_seconds: float = Field(
        description="The time in which it had ended, and nobody had retried it yet; 0 if it never was."
    )
    step_count: int
    unfinished_steps: int
    cancel_requested: bool
    original_workflow_id: UUID | None

    @classmethod
    def from_stored(cls, workflow: StoredWorkflow, pauses: Sequence[Pause] = ()) -> Self:
        return cls.model_validate(_fields(workflow, pauses))


class WorkflowPage(Page[WorkflowRow]):
    """A part of the list of workflows; the rows stand under both names."""

    workflows: list[WorkflowRow]


class StepDetail(StepRow):
    """A step with how its task went."""

    task_name: str
    depends_on: list[str] = Field(description="Those named by the client and those that its references imply.")
    queue_name: str
    priority: int
    max_retries: int
    timeout_seconds: int | None
    scheduled_at: Timestamp | None
    created_at: Timestamp | None = Field(description="When it became a task.")
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None
    retry_count: int
    worker_hostname: str | None
    result: JsonValue
    result_omitted: bool = Field(
        description="The result is above 64 KiB or nested deeper than 200, or those before are 2 MiB together: "
        "`GET /tasks/{task_id}` has it."
    )
    error: str | None


class WorkflowDetail(WorkflowRow):
    """A workflow with all of its steps, in the order in which they were submitted."""

    steps: list[StepDetail]

    @classmethod
    def from_stored_with(
        cls,
        workflow: StoredWorkflow,
        steps: Sequence[StepProgress],
        *,
        results: Mapping[str, object],
        omitted: Collection[str],
        pauses: Sequence[Pause] = (),
        redaction: Redaction = COMMON,
    ) -> Self:
        """Return the detail; `results` go by task id, and `omitted` are the tasks whose result is not among them."""
        ids = [step.step_id for step in steps]
        parents = invert([step.children for step in steps])
        omitted = {*omitted, *(task_id for task_id, result in results.items() if is_too_deep(result))}
        results = {task_id: result for task_id, result in results.items() if task_id not in omitted}
        details = [
            _step(step, [ids[parent] for parent in parents[step.position]])
            | {
                "result": redaction.mask(results.get(step.task_id), Branch.RESULT, task_name=step.task_name),
                "result_omitted": step.task_id in omitted,
            }
            for step in steps
        ]
        return cls.model_validate(_fields(workflow, pauses) | {"steps": details})


_STORED = tuple(field.name for field in fields(StoredWorkflow))
_PROGRESS = tuple(field.name for field in fields(StepProgress))


def _fields(workflow: StoredWorkflow, pauses: Sequence[Pause]) -> dict[str, Any]:
    return {name: getattr(workflow, name) for name in _STORED} | {
        "duration_seconds": _seconds(workflow.started_at, workflow.completed_at),
        "retry_pause_seconds": sum(pause.seconds for pause in pauses),
        "unfinished_steps": workflow.unfinished,
        "cancel_requested": workflow.cancel_requested_at is not None,
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start and end else None


def _step(step: StepProgress, depends_on: list[str]) -> dict[str, Any]:
    return {name: getattr(step, name) for name in _PROGRESS} | {
        "id": step.step_id,
        "depends_on": depends_on,
        "completed_at": step.completed_at or step.ended_at,
        "worker_hostname": hostname(step.node) if step.node else None,
    }


class WorkflowEvent(ResponseModel):
    """One thing that happened to the workflow, or to the task of one of its steps."""

    timestamp: Timestamp
    event_type: str
    step_id: str | None = Field(description="null for the workflow as a whole.")
    task_id: str | None
    details: Mapping[str, Detail]


def event_of(happening: Happening, worker_ids: dict[str, UUID]) -> WorkflowEvent:
    """Return one line of the timeline."""
    details: Mapping[str, Detail] = {"error": happening.error} if happening.error else {}
    if happening.entry is not None:
        details = TimelineEvent.from_entry(happening.entry, worker_ids).details
    return WorkflowEvent(
        timestamp=happening.at,
        event_type=happening.event_type,
        step_id=happening.step_id,
        task_id=happening.task_id,
        details=details,
    )


class WorkflowTimeline(Page[WorkflowEvent]):
    """The history of a workflow, oldest first; the events stand under both names."""

    workflow_id: UUID
    name: str
    status: WorkflowStatus
    events: list[WorkflowEvent]


class WorkflowCancelAnswer(ResponseModel):
    """What became of a cancel."""

    workflow_id: UUID
    status: WorkflowStatus
    message: str
    cancel_requested: bool = True
