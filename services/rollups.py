"""Counting what a batch of facts changes, in the transaction that writes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import Identity
from domain.rollups import TaskCourse, deltas
from store.queries import rollups
from store.queries.tasks.writing import LockedTask, StateToWrite


async def count_changes(
    connection: AsyncConnection,
    locked: Mapping[str, LockedTask],
    *,
    states: Sequence[StateToWrite],
    made: frozenset[str],
    identities: Mapping[str, Identity],
) -> None:
    """Append to the roll-ups what has become of the locked tasks; `made` are those that were not there before."""
    changed = deltas(_changes(locked, states, made=made, identities=identities))
    if changed:
        await rollups.add_deltas(connection, changed)


def _changes(
    locked: Mapping[str, LockedTask],
    states: Sequence[StateToWrite],
    *,
    made: frozenset[str],
    identities: Mapping[str, Identity],
) -> Iterator[tuple[TaskCourse | None, TaskCourse]]:
    written = {state.task_id: state for state in states}
    for task_id, task in locked.items():
        course = task.course
        if task_id in identities:
            course = _named(course, identities[task_id])
        if task_id in written:
            course = _moved(course, written[task_id], submitted_here=task.submitted_here)
        yield (None if task_id in made else task.course), course


def _named(course: TaskCourse, identity: Identity) -> TaskCourse:
    """Return what `store.queries.tasks.writing.write_identities` makes of it."""
    return replace(
        course,
        task_name=course.task_name if course.task_name is not None else identity.task_name,
        queue_name=course.queue_name if course.queue_name is not None else identity.queue_name,
    )


def _moved(course: TaskCourse, written: StateToWrite, *, submitted_here: bool) -> TaskCourse:
    """Return what `store.queries.tasks.writing.write_states` makes of it."""
    state = written.state
    return TaskCourse(
        task_name=course.task_name,
        queue_name=course.queue_name,
        status=state.status.value,
        node=state.node,
        created_at=course.created_at if submitted_here else written.events_from,
        scheduled_at=course.scheduled_at,
        first_started_at=state.first_started_at,
        completed_at=state.completed_at,
        duration_seconds=state.duration_seconds,
        error=written.error,
    )
