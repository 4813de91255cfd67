"""Turns the bodies of submissions into what is stored, and refuses what no worker knows or what is marked."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial

from uuid_utils import uuid7

from api.errors import OutsideLimits, sentence
from api.schemas.tasks import MAX_RETRIES, TaskSubmission
from domain.errors import InvalidRequest, UnknownTaskName
from domain.payloads import check_encrypted
from domain.sight import Limits
from domain.submissions import Submission, check_size
from services.resident.degradation import DegradationMarks, refuse_degraded
from services.resident.limits import Limits as ProcessLimits
from services.resident.task_names import TaskNames
from store.queries.tasks.documents import WholeTask

NOTHING_KNOWN: Mapping[str, int] = {}


def to_submission(
    body: TaskSubmission,
    *,
    author: str,
    default_queue: str,
    now: datetime,
    own_retries: Mapping[str, int] = NOTHING_KNOWN,
) -> Submission:
    """Return a submission with an id and its defaults; raises InvalidRequest if its arguments are too large, or
    an encrypted part of them is malformed.

    `author`: who submits it. `own_retries`: the `max_retries` that tasks have by themselves, which hold where the body
    names none.
    """
    # Most tasks have none of one kind, which would be a tenth of this.
    args = json.dumps(body.task_args) if body.task_args else "[]"
    kwargs = json.dumps(body.task_kwargs) if body.task_kwargs else "{}"
    check_size(args, kwargs)
    check_encrypted(args, kwargs)
    return Submission(
        task_id=str(uuid7()),
        task_name=body.task_name,
        args=args,
        kwargs=kwargs,
        queue_name=body.queue_name or default_queue,
        priority=body.priority,
        max_retries=_max_retries(body, own_retries),
        timeout_seconds=body.timeout_seconds,
        scheduled_at=body.scheduled_at,
        created_at=now,
        submitted_by=author,
    )


def to_submissions(
    bodies: Sequence[TaskSubmission], *, author: str, default_queue: str, now: datetime, own_retries: Mapping[str, int]
) -> list[Submission]:
    """Return a whole batch in its order; raises one InvalidRequest that names every item at fault."""
    submissions: list[Submission] = []
    errors: list[tuple[str, str]] = []
    make = partial(to_submission, author=author, default_queue=default_queue, now=now, own_retries=own_retries)
    for number, body in enumerate(bodies):
        try:
            submissions.append(make(body))
        except InvalidRequest as error:
            errors += [(f"tasks.{number}.{field}", message) for field, message in error.errors]
    if errors:
        raise InvalidRequest(sentence(errors), errors=tuple(errors))
    return submissions


def _max_retries(body: TaskSubmission, own_retries: Mapping[str, int]) -> int:
    own = own_retries.get(body.task_name)
    return body.max_retries if own is None or "max_retries" in body.model_fields_set else min(own, MAX_RETRIES)


def name_fields(bodies: Sequence[TaskSubmission]) -> Iterator[tuple[str, str]]:
    """Yield the task names of a batch, each with its field, as pairs (field, task name)."""
    return ((f"tasks.{number}.task_name", body.task_name) for number, body in enumerate(bodies))


def refuse_outside(
    limits: Limits, wanted: Iterable[TaskSubmission], *, default_queue: str, place: str = "{field}"
) -> None:
    """Raise OutsideLimits if one of these goes to a queue, or is a task, outside the limits of the caller.

    `place`: how the field of the submission with this `number` is called.
    """
    if not limits:
        return
    flaws = cache(limits.flaws)
    errors = [
        (place.format(number=number, field=field), message)
        for number, body in enumerate(wanted)
        for field, message in flaws(body.queue_name or default_queue, body.task_name)
    ]
    if errors:
        raise OutsideLimits(errors)


async def find_unknown(registry: TaskNames | None, task_names: Iterable[str], *, limits: Limits) -> Mapping[str, str]:
    """Map each name that no worker knows to what to say of it within these limits; empty where names are not
    checked.
    """
    return await registry.find_unknown(set(task_names), limits=limits) if registry else {}


def refuse_unknown(unknown: Mapping[str, str], named: Iterable[tuple[str, str]]) -> None:
    """Raise UnknownTaskName if one of the pairs (field, task name) names an unknown task."""
    errors = [(field, unknown[name]) for field, name in named if name in unknown]
    if errors:
        raise UnknownTaskName(sentence(errors), errors=tuple(errors))


async def refuse_marked(marks: DegradationMarks, submissions: Iterable[Submission]) -> None:
    """Raise ServiceDegraded if one of these goes to a queue, or is a task, that takes no new work now."""
    fresh = await marks.fresh()
    for queue_name, task_name in {(submission.queue_name, submission.task_name) for submission in submissions}:
        refuse_degraded(fresh, queue_name=queue_name, task_name=task_name)


def explain_limits(limits: ProcessLimits, task: Submission | WholeTask) -> str | None:
    """Say which of a task's limits do not hold on the workers of its queue; None if all do."""
    return limits.explain(
        task.task_name, task.queue_name, timeout_seconds=task.timeout_seconds, max_retries=task.max_retries
    )
