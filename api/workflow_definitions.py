"""From the body of a workflow's submission to what is stored; everything that is wrong with it is said at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from api.errors import sentence
from api.schemas.workflows import StepSubmission, WorkflowSubmission
from api.submissions import to_submission
from domain.dag import Link, build
from domain.errors import InvalidRequest
from domain.references import find
from domain.workflows import NewWorkflow, Step


def to_workflow(body: WorkflowSubmission, *, default_queue: str, now: datetime) -> NewWorkflow:
    """A workflow with its ids; raises one InvalidRequest that names every step at fault."""
    workflow_id = uuid7()
    steps: list[Step] = []
    links: list[Link] = []
    errors: list[tuple[str, str]] = []
    for position, step in enumerate(body.steps):
        try:
            needs = list(_needs(step, f"steps.{position}"))
            links.append(Link(step.id, needs))
            steps.append(
                _to_step(
                    step,
                    workflow_id,
                    has_references=len(needs) > len(step.depends_on),
                    now=now,
                    default_queue=default_queue,
                )
            )
        except InvalidRequest as error:
            errors += [_placed(field, position) for field in error.errors]
    if errors:
        raise InvalidRequest(sentence(errors), errors=tuple(errors))
    return NewWorkflow(
        workflow_id=workflow_id,
        name=body.name,
        on_failure=body.on_failure,
        steps=steps,
        dag=build(links),
        created_at=now,
    )


def name_fields(body: WorkflowSubmission) -> Iterator[tuple[str, str]]:
    """The task names of the steps, each with its field."""
    return ((f"steps.{position}.task_name", step.task_name) for position, step in enumerate(body.steps))


def _needs(step: StepSubmission, place: str) -> Iterator[tuple[str, str]]:
    """The steps that it waits for, each with the field that says so: named ones, then those of its references."""
    for number, needed in enumerate(step.depends_on):
        yield f"{place}.depends_on.{number}", needed
    for name in ("task_args", "task_kwargs"):
        for field, reference in find(getattr(step, name), f"{place}.{name}"):
            yield field, reference.step_id


def _to_step(
    step: StepSubmission, workflow_id: UUID, *, has_references: bool, default_queue: str, now: datetime
) -> Step:
    submission = to_submission(step, default_queue=default_queue, now=now)
    return Step(step.id, replace(submission, workflow_id=workflow_id), has_references)


def _placed(error: tuple[str, str], position: int) -> tuple[str, str]:
    field, message = error
    return (field if field.startswith("steps.") else f"steps.{position}.{field}", message)
