"""Turns the body of a workflow's submission into what is stored; everything that is wrong with it is said at once."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain, islice

from uuid_utils.compat import uuid7

from api.bodies.submissions import to_submission
from api.errors import sentence
from api.schemas.workflows.documents import StepSubmission, WorkflowSubmission
from domain.errors import InvalidRequest
from domain.workflows.dag import Link, build, check_edges
from domain.workflows.definition import NewWorkflow, Step
from domain.workflows.references import MAX_REFERENCES, find


def to_workflow(body: WorkflowSubmission, *, author: str, default_queue: str, now: datetime) -> NewWorkflow:
    """Return a workflow with its ids; raises one InvalidRequest that names every step at fault."""
    workflow_id = uuid7()
    steps: list[Step] = []
    links: list[Link] = []
    errors: list[tuple[str, str]] = []
    edges = 0
    make = partial(to_submission, author=author, default_queue=default_queue, now=now)
    for position, step in enumerate(body.steps):
        place = f"steps.{position}"
        try:
            references = _references(step, place)
            needs = _needs(step, references, place=place)
            links.append(Link(step.id, needs))
            submission = replace(make(step), workflow_id=workflow_id)
            steps.append(Step(step.id, submission, has_references=bool(references)))
            edges += len(needs)
        except InvalidRequest as error:
            errors += [_placed(field, position) for field in error.errors]
        check_edges(edges, f"{place}.depends_on")
    if errors:
        raise InvalidRequest(sentence(errors), errors=tuple(errors))
    return NewWorkflow(
        workflow_id=workflow_id,
        name=body.name,
        on_failure=body.on_failure,
        steps=steps,
        dag=build(links),
        created_at=now,
        submitted_by=author,
    )


def name_fields(body: WorkflowSubmission) -> Iterator[tuple[str, str]]:
    """Yield the task names of the steps, each with its field, as pairs (field, task name)."""
    return ((f"steps.{position}.task_name", step.task_name) for position, step in enumerate(body.steps))


def _references(step: StepSubmission, place: str) -> list[tuple[str, str]]:
    """The steps whose results its arguments refer to, each with the field that does; raises InvalidRequest."""
    names = ("task_args", "task_kwargs")
    pairs = chain.from_iterable(find(getattr(step, name), f"{place}.{name}") for name in names)
    references = [(field, reference.step_id) for field, reference in islice(pairs, MAX_REFERENCES + 1)]
    if len(references) > MAX_REFERENCES:
        raise InvalidRequest.of_field(f"{place}.task_args", f"may refer to results at most {MAX_REFERENCES:,} times")
    return references


def _needs(step: StepSubmission, references: Iterable[tuple[str, str]], *, place: str) -> list[tuple[str, str]]:
    """The steps that it waits for, each once, with the field that says so: named ones, then those of its references."""
    named = ((f"{place}.depends_on.{number}", needed) for number, needed in enumerate(step.depends_on))
    fields: dict[str, str] = {}
    for field, needed in chain(named, references):
        fields.setdefault(needed, field)
    return [(field, needed) for needed, field in fields.items()]


def _placed(error: tuple[str, str], position: int) -> tuple[str, str]:
    field, message = error
    return (field if field.startswith("steps.") else f"steps.{position}.{field}", message)
