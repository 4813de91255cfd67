"""A workflow as its client wants it. A step is a submission that is kept back until its turn comes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.submissions import Submission
from domain.workflows.dag import Dag
from domain.workflows.steps import OnFailure, StepStatus, WorkflowStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One step; its arguments may hold references to results."""

    step_id: str
    submission: Submission
    """The submission of the task that it becomes, whose id is known from the beginning."""
    has_references: bool


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow to be stored and begun."""

    workflow_id: UUID
    name: str
    on_failure: OnFailure
    steps: Sequence[Step]
    dag: Dag
    created_at: datetime
    original_workflow_id: UUID | None = None
    submitted_by: str | None = None
    """The author of the request that it came with, and so of the tasks that its steps become."""

    @property
    def status(self) -> WorkflowStatus:
        """The status of every workflow that was just accepted."""
        return WorkflowStatus.PENDING

    @property
    def roots(self) -> list[Step]:
        """The steps that wait for none, and so start at once."""
        return [step for step, parents in zip(self.steps, self.dag.parents, strict=True) if not parents]

    def status_of(self, position: int) -> StepStatus:
        """Return the status of a step when the workflow is stored."""
        return StepStatus.WAITING if self.dag.parents[position] else StepStatus.PENDING


def replay_of(
    original: NewWorkflow,
    *,
    workflow_id: UUID,
    created_at: datetime,
    new_task_id: Callable[[], str],
    author: str | None,
) -> NewWorkflow:
    """Return the same workflow to run from the start, with ids of its own, submitted by this author."""
    steps = [
        replace(
            step,
            submission=replace(
                step.submission,
                task_id=new_task_id(),
                created_at=created_at,
                workflow_id=workflow_id,
                submitted_by=author,
            ),
        )
        for step in original.steps
    ]
    return replace(
        original,
        workflow_id=workflow_id,
        steps=steps,
        created_at=created_at,
        original_workflow_id=original.workflow_id,
        submitted_by=author,
    )
