"""Tasks on the wire: submissions, rows of lists, one task whole, its timeline, the answer to a cancel."""

from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.types import JsonArray, JsonObject, JsonValue, QueueName, Text, Time, Timestamp
from domain.cancels import StopSignal
from domain.facts import Detail
from domain.identities import LEFT_OUT
from domain.json_values import is_too_deep
from domain.queue_names import RULE
from domain.states import EventType, Outcome, Phase, Status
from domain.submissions import DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY, MAX_BATCH, Submission
from domain.timeline import TimelineEntry
from domain.workers.status import hostname
from store.queries.tasks.documents import SHOWN_ERROR, ListedTask, WholeTask

LIMITS = "Which limits do not hold on the workers of the queue; null if all do, or no worker is known."
MESSAGE = (
    "Which limits do not hold on the workers of the queue, and why a result is not shown; null if nothing is amiss."
)
NO_RESULT = "The result backend holds no result of it: none is stored, it has expired, or it is kept elsewhere."

Priority = Annotated[int, Field(ge=1, le=10, description="10 is most urgent.")]
MAX_RETRIES = 100
MaxRetries = Annotated[int, Field(ge=0, le=MAX_RETRIES)]
TimeoutSeconds = Annotated[int, Field(ge=1, le=86_400)]

UNSHOWN = ("traceback", "scheduled", "broker")
"""Details of an event that its own fields show, or that only we need."""


class TaskSubmission(RequestModel):
    """The body of `POST /tasks`."""

    task_name: Annotated[Text, Field(min_length=1, max_length=255, examples=["process_payment"])]
    task_args: JsonArray = Field(default=[], examples=[[1234]])
    task_kwargs: JsonObject = Field(default={}, examples=[{"currency": "USD", "amount": 99.99}])
    priority: Priority = DEFAULT_PRIORITY
    queue_name: QueueName | None = Field(None, description=f"{RULE}. Default: the configured default queue.")
    max_retries: MaxRetries = Field(
        DEFAULT_MAX_RETRIES,
        description="Ceiling on the retries that the task itself asks for. Default: the task's own, where it is known.",
    )
    timeout_seconds: TimeoutSeconds | None = Field(None, description="Hard limit of one run.")
    scheduled_at: Time | None = Field(None, description="Not before; a time that has passed means now.")


class TaskBatch(RequestModel):
    """The body of `POST /tasks/batch`."""

    tasks: Annotated[list[TaskSubmission], Field(min_length=1, max_length=MAX_BATCH)]


class SubmittedTask(ResponseModel):
    """A task that was accepted."""

    task_id: str
    task_name: str
    status: Status
    priority: int
    created_at: Timestamp
    queue_name: str
    scheduled_at: Timestamp | None
    message: str | None = Field(None, description=LIMITS)

    @classmethod
    def from_submission(cls, submission: Submission, *, message: str | None = None) -> Self:
        return cls.model_validate(submission).model_copy(update={"message": message})


class SubmittedBatch(ResponseModel):
    """A batch that was accepted whole."""

    submitted: int
    task_ids: list[str] = Field(description="In the order of the batch.")


class TaskRow(ResponseModel):
    """A task as lists show it."""

    task_id: str
    task_name: str | None = Field(description="null until an event of a task that others submitted names it.")
    status: Status
    phase: Phase = Field(description="Tells the several kinds of PENDING apart.")
    priority: int | None
    queue_name: str | None
    worker_id: UUID | None
    worker_hostname: str | None
    created_at: Timestamp
    scheduled_at: Timestamp | None
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None
    retry_count: int
    max_retries: int | None
    timeout_seconds: int | None
    error: str | None = Field(description="In lists cut at 1,024 characters.")
    original_task_id: str | None
    workflow_id: UUID | None
    cancel_requested: bool
    outcome: Outcome | None = Field(
        None,
        description='"unknown": the run is over and nobody told how it went; it counts neither as done nor as failed.',
    )

    @classmethod
    def from_task(cls, task: ListedTask) -> Self:
        return cls.model_validate(_fields(task))


class TaskPage(Page[TaskRow]):
    """A part of the list of tasks; the rows stand under both names."""

    tasks: list[TaskRow]
    message: str | None = Field(None, description="Why nothing is found, where that is not as it seems.")


class AttemptModel(ResponseModel):
    """One delivery of the task to a worker."""

    number: int
    retries: int = Field(description="0 is the first run, 1 the first retry.")
    delivery: int = Field(description="Above 1: the same run was delivered again.")
    state: str
    worker_id: UUID | None
    worker_hostname: str | None
    received_at: Timestamp | None
    started_at: Timestamp | None
    finished_at: Timestamp | None
    runtime_seconds: float | None
    exception: str | None = Field(description="Cut at 1,024 characters for all but the latest 10.")
    traceback: str | None = Field(description="Of all but the latest 10 the last 1,024 characters.")


class DispatchRefusal(ResponseModel):
    """Why the broker has not taken the task."""

    refusals: int = Field(description="How often it was refused.")
    reason: str = Field(description="Why it was refused last.")
    parked_at: Timestamp | None = Field(
        description="Since when it waits apart, because it was refused again and again; null: not yet."
    )
    next_try_at: Timestamp = Field(description="When it is offered again, at the latest.")

    @classmethod
    def from_task(cls, task: WholeTask) -> Self | None:
        """Return why the broker refuses the task; None if it does not, or has taken it since."""
        if not task.refusals:
            return None
        values = {name: getattr(task, name) for name in ("refusals", "parked_at", "next_try_at")}
        return cls.model_validate(values | {"reason": task.refusal or ""})


class TaskDetail(TaskRow):
    """A task with all that is known of it."""

    task_args: list[Any] | None = Field(description="null for a task that others submitted: see args_repr.")
    task_kwargs: dict[str, Any] | None
    args_repr: str | None = Field(description="What Celery tells of others' arguments: text, cut at 1,024 characters.")
    kwargs_repr: str | None
    result: JsonValue
    result_pending: bool = Field(description="The result backend had not yet told the result.")
    result_truncated: bool = Field(
        description="The result is above 1 MiB, or nested deeper than 200, and was not kept."
    )
    result_repr: str | None = Field(
        None, description="Where the result is not known: the text of it that the worker told, cut at 1,024 characters."
    )
    traceback: str | None
    submitted_by: str | None = Field(
        None,
        description="Who submitted it here; null for a task that others submitted.",
        examples=["api_key:k7Qm2ZpX4rT1"],
    )
    attempts: list[AttemptModel] = Field(description="The latest 1,000.")
    attempts_truncated: bool = Field(description="There were more attempts than are shown.")
    dispatch_refusal: DispatchRefusal | None = Field(
        None, description="Set while the broker refuses this task; null otherwise. It can be cancelled."
    )
    message: str | None = Field(None, description=MESSAGE)

    @classmethod
    def from_whole(cls, task: WholeTask, *, message: str | None = None, no_result: str | None = None) -> Self:
        """Return the detail of a task; `no_result` says why the backend tells no result of any task."""
        attempts = task.attempts
        too_deep = is_too_deep(task.result)
        whole = _fields(task) | {
            "task_args": task.args,
            "task_kwargs": task.kwargs,
            "args_repr": task.args_repr,
            "kwargs_repr": task.kwargs_repr,
            "result": None if too_deep else task.result,
            "result_truncated": too_deep or bool(task.result_truncated),
            "result_repr": None if task.has_result else task.result_repr,
            "traceback": task.traceback or (attempts[-1]["traceback"] if attempts else None),
            "attempts": [attempt | {"worker_hostname": _hostname(attempt["node"])} for attempt in attempts],
            "dispatch_refusal": DispatchRefusal.from_task(task),
            "submitted_by": task.submitted_by,
            "attempts_truncated": task.attempt_count > len(attempts),
            "message": " ".join(filter(None, (message, _why_no_result(task, no_result or NO_RESULT)))) or None,
        }
        return cls.model_validate(whole)


def _why_no_result(task: WholeTask, absent: str) -> str | None:
    """A sentence for a task that has succeeded and whose result nobody knows; None for any other."""
    if task.status != Status.COMPLETED or task.result_pending or task.result_truncated:
        return None
    if task.unreadable:
        return f"The result {task.unreadable}."
    return None if task.has_result else absent


_LISTED = tuple(field.name for field in fields(ListedTask))
_listed = attrgetter(*_LISTED)


def _fields(task: ListedTask) -> dict[str, Any]:
    due = task.scheduled_at is None or task.scheduled_at <= datetime.now(UTC)
    return dict(zip(_LISTED, _listed(task), strict=True)) | {
        "worker_hostname": _hostname(task.node),
        "phase": Phase.DISPATCHING if task.phase == Phase.SCHEDULED and due else task.phase,
        "cancel_requested": task.cancel_requested_at is not None,
    }


def _hostname(node: str | None) -> str | None:
    return hostname(node) if node else None


def _shortened(text: str) -> str:
    """Return an error as lists show it."""
    return text if len(text) <= SHOWN_ERROR else text[: SHOWN_ERROR - 1] + LEFT_OUT


class TimelineEvent(ResponseModel):
    """One thing that happened."""

    timestamp: Timestamp
    event_type: EventType
    details: dict[str, Detail]

    @classmethod
    def from_entry(cls, entry: TimelineEntry, worker_ids: dict[str, UUID]) -> Self:
        details: dict[str, Detail] = {}
        if entry.node is not None:
            worker_id = worker_ids.get(entry.node)
            details["worker_id"] = str(worker_id) if worker_id else None
            details["worker_hostname"] = hostname(entry.node)
        if entry.attempt is not None:
            details["attempt"] = entry.attempt
        details_shown = {name: value for name, value in entry.details.items() if name not in UNSHOWN}
        details |= {
            name: _shortened(value) if isinstance(value, str) else value for name, value in details_shown.items()
        }
        return cls(timestamp=entry.at, event_type=entry.type, details=details)


class Timeline(ResponseModel):
    """The history of a task, oldest cause first."""

    task_id: str
    task_name: str | None
    status: Status
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None
    complete: bool = Field(description="false: events may have been missed while this task was on its way.")
    truncated: bool = Field(description="There are more than 10,000 events; these are the last ones.")
    events_left_out: int = Field(0, description="Later than the first 1,000 and not kept, as they changed no end.")
    events: list[TimelineEvent]


class CancelBody(RequestModel):
    """The body of a cancel, which may be left out."""

    signal: Annotated[StopSignal, Field(strict=False)] = Field(
        StopSignal.SIGTERM, description="What ends a run on a prefork pool; SIGKILL for a task that ignores SIGTERM."
    )


class CancelAnswer(ResponseModel):
    """What became of a cancel."""

    task_id: str
    status: Status
    message: str
    cancel_requested: bool = True
