"""How far tasks are, and why one does not run, on the wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.types import Timestamp
from domain.explanations import CheckState, Explanation
from domain.states import Outcome, Phase, Status
from domain.workers.status import hostname
from store.queries.tasks.progress import TaskState


class TaskStateModel(ResponseModel):
    """How far a task is."""

    task_id: str
    status: Status
    phase: Phase
    worker_id: UUID | None
    worker_hostname: str | None
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None
    retry_count: int
    error: str | None
    cancel_requested: bool
    outcome: Outcome | None

    @classmethod
    def from_state(cls, state: TaskState, *, now: datetime) -> Self:
        is_due = state.scheduled_at is None or state.scheduled_at <= now
        return cls(
            task_id=state.task_id,
            status=Status(state.status),
            phase=Phase.DISPATCHING if state.phase == Phase.SCHEDULED and is_due else Phase(state.phase),
            worker_id=state.worker_id,
            worker_hostname=hostname(state.node) if state.node else None,
            started_at=state.started_at,
            completed_at=state.completed_at,
            duration_seconds=state.duration_seconds,
            retry_count=state.retry_count,
            error=state.error,
            cancel_requested=state.cancel_requested_at is not None,
            outcome=Outcome(state.outcome) if state.outcome else None,
        )


class TaskStates(ResponseModel):
    """How far some tasks are."""

    data: list[TaskStateModel] = Field(description="In the order of `ids`; those that are not there are left out.")

    @classmethod
    def of(cls, states: list[TaskState]) -> Self:
        now = datetime.now(UTC)
        return cls(data=[TaskStateModel.from_state(state, now=now) for state in states])


class CheckModel(ResponseModel):
    """One thing on a task's way."""

    name: str = Field(
        description="cancel, due, outbox, marks, breaker, broker, queue, consumers, registered, held, capacity or "
        "mirror; others may come.",
        examples=["consumers"],
    )
    state: CheckState
    detail: str = Field(examples=["No worker that is online consumes payments; worker-3 did."])
    evidence: Mapping[str, str | int | float | bool | None] = Field(
        description="The figures that it was judged by.", examples=[{"online": 0}]
    )
    action: str | None = Field(description="What mends it.", examples=["Start a worker with `-Q payments`."])
    since: Timestamp | None


class ExplanationAnswer(ResponseModel):
    """Why a task is not running."""

    task_id: str
    status: Status = Field(description="Of the task when it was looked at; of another status this says nothing.")
    verdict: str = Field(
        description="The detail of the first check that blocks, else of the first that is unknown.",
        examples=["No worker that is online consumes payments; worker-3 did."],
    )
    since: Timestamp | None = Field(description="Since when that is so; null where nobody knows.")
    checks: list[CheckModel] = Field(description="In the order in which a task comes by; none once it has ended.")

    @classmethod
    def from_explanation(cls, task_id: str, explanation: Explanation) -> Self:
        return cls(
            task_id=task_id,
            status=Status(explanation.status),
            verdict=explanation.verdict,
            since=explanation.since,
            checks=[CheckModel.model_validate(check) for check in explanation.checks],
        )
