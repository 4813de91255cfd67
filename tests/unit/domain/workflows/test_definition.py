from datetime import timedelta
from itertools import count
from uuid import UUID

from domain.workflows.dag import Dag
from domain.workflows.definition import NewWorkflow, Step, replay_of
from domain.workflows.steps import OnFailure, StepStatus, WorkflowStatus
from tests.facts import NOON
from tests.submissions import make_submission

FIRST, SECOND = UUID(int=1), UUID(int=2)


def workflow() -> NewWorkflow:
    """Two steps that wait for none, and one that waits for both."""
    steps = [
        Step(name, make_submission(task_id=f"task-{name}", workflow_id=FIRST), has_references=False) for name in "abc"
    ]
    return NewWorkflow(FIRST, "w", OnFailure.STOP, steps, Dag(((), (), (0, 1))), NOON)


def test_the_steps_that_wait_for_none_start_at_once() -> None:
    accepted = workflow()
    assert accepted.status is WorkflowStatus.PENDING
    assert [step.step_id for step in accepted.roots] == ["a", "b"]
    stored = [accepted.status_of(position) for position in range(3)]
    assert stored == [StepStatus.PENDING, StepStatus.PENDING, StepStatus.WAITING]


def test_a_replay_has_ids_of_its_own_and_tells_what_it_repeats() -> None:
    original, numbers = workflow(), count()
    later = NOON + timedelta(hours=1)
    again = replay_of(
        original, workflow_id=SECOND, created_at=later, new_task_id=lambda: f"new-{next(numbers)}", author="me"
    )
    assert (again.workflow_id, again.original_workflow_id, again.created_at) == (SECOND, FIRST, later)
    assert [step.submission.task_id for step in again.steps] == ["new-0", "new-1", "new-2"]
    assert {step.submission.workflow_id for step in again.steps} == {SECOND}
    assert {again.submitted_by, *(step.submission.submitted_by for step in again.steps)} == {"me"}
    assert {step.submission.created_at for step in again.steps} == {later}
    assert (again.dag, again.on_failure, again.name) == (original.dag, original.on_failure, original.name)
