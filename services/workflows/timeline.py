"""The history of a workflow: what happened to it as a whole, and the timelines of all the tasks that its steps had."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import WorkflowNotFound
from domain.sight import EVERYTHING, Sight
from domain.timeline import TimelineEntry, timeline, without_names
from domain.workflows.steps import StepStatus
from services.timeline import find_unseen
from store.queries import events
from store.queries.workers import nodes
from store.queries.workflows import documents, retries
from store.queries.workflows.documents import StepProgress, StoredWorkflow

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a workflow's timeline. `entry` is None for what has no task: the workflow, and steps without one."""

    at: datetime
    event_type: str
    step_id: str | None = None
    task_id: str | None = None
    entry: TimelineEntry | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowHistory:
    """A workflow and all that happened to it."""

    workflow: StoredWorkflow
    happenings: Sequence[Happening]
    worker_ids: dict[str, UUID]


async def read_workflow_history(
    connection: AsyncConnection, workflow_id: UUID, *, sight: Sight = EVERYTHING
) -> WorkflowHistory:
    """Return everything that was told of a workflow, oldest first; raises WorkflowNotFound."""
    workflow = await documents.get_workflow(connection, workflow_id)
    if workflow is None:
        raise WorkflowNotFound
    steps = await documents.list_steps(connection, workflow_id)
    happenings = [Happening(at, event_type) for at, event_type in await documents.list_events(connection, workflow_id)]
    happenings += _without_task(steps)
    step_ids = await retries.list_earlier_tries(connection, workflow_id)
    step_ids |= {step.task_id: step.step_id for step in steps}
    of_tasks = await _of_tasks(connection, workflow_id, step_ids=step_ids, sight=sight)
    merged = _merged([sorted(happenings, key=lambda happening: happening.at), *of_tasks])
    names = {happening.entry.node for happening in merged if happening.entry and happening.entry.node}
    return WorkflowHistory(workflow, merged, await nodes.get_worker_ids(connection, names))


def _without_task(steps: Iterable[StepProgress]) -> Iterator[Happening]:
    """Steps that ended and never became a task."""
    for step in steps:
        if step.created_at is None and step.ended_at is not None:
            event_type = "skipped" if step.status == StepStatus.SKIPPED else "failed"
            yield Happening(step.ended_at, event_type, step.step_id, error=step.error)


async def _of_tasks(
    connection: AsyncConnection, workflow_id: UUID, *, step_ids: dict[str, str], sight: Sight
) -> list[list[Happening]]:
    tasks = await documents.list_tasks(connection, workflow_id)
    if not tasks:
        return []
    facts = await events.get_facts(connection, list(tasks), since=min(tasks.values()))
    timelines = {task_id: timeline(of_task) for task_id, of_task in facts.items()}
    unseen = await find_unseen(connection, chain.from_iterable(timelines.values()), sight=sight)
    # Of a task that was replaced before that was written down, the step is not known.
    return [
        [
            Happening(entry.at, entry.type, step_ids.get(task_id), task_id, without_names(entry, unseen))
            for entry in entries
        ]
        for task_id, entries in timelines.items()
    ]


def _merged(timelines: Iterable[Sequence[Happening]]) -> list[Happening]:
    """Merge by time, but the order within each timeline stays, whatever its clocks say."""
    return [happening for _, happening in heapq.merge(*map(_rising, timelines), key=lambda pair: pair[0])]


def _rising(happenings: Iterable[Happening]) -> Iterator[tuple[datetime, Happening]]:
    latest = LONG_AGO
    for happening in happenings:
        latest = max(latest, happening.at)
        yield latest, happening
