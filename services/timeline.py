"""Reads a task's timeline, and says whether it is complete."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import TaskNotFound
from domain.sight import EVERYTHING, Sight
from domain.timeline import TimelineEntry, names_of, timeline, without_names
from store.queries import events, gaps
from store.queries.sight import list_seen
from store.queries.tasks import documents
from store.queries.tasks.documents import TaskOutline, WholeTask
from store.queries.workers import nodes

MAX_FACTS = 10_000
"""How many facts of one task are read, the latest: one that is tried again for ever has any number."""
FEW = 500


Task = TypeVar("Task", bound=TaskOutline)


@dataclass(frozen=True, slots=True)
class TaskHistory(Generic[Task]):
    """A task and its timeline."""

    task: Task
    entries: Sequence[TimelineEntry]
    worker_ids: dict[str, UUID]
    complete: bool
    """Whether the mirror heard all the while, and nothing was only found by asking, cut off or left out."""
    truncated: bool
    """Whether there are more than `MAX_FACTS`; the entries are the last ones."""
    left_out: int = 0
    """How many more facts were told and not stored (`services/record.py`)."""


async def read_task_history(
    connection: AsyncConnection, task_id: str, *, max_facts: int = MAX_FACTS, sight: Sight = EVERYTHING
) -> TaskHistory[TaskOutline]:
    """Return what was told of a task; raises TaskNotFound if there is none, or it is not seen."""
    task = await documents.get_outline(connection, task_id, sight=sight)
    if task is None:
        raise TaskNotFound
    return await _history_of(connection, task, max_facts=max_facts, sight=sight)


async def read_whole_history(
    connection: AsyncConnection, task_id: str, *, sight: Sight = EVERYTHING
) -> TaskHistory[WholeTask]:
    """Return what was told of a task, with its arguments and its result; raises TaskNotFound as above."""
    task = await documents.get_task(connection, task_id, sight=sight)
    if task is None:
        raise TaskNotFound
    return await _history_of(connection, task, sight=sight)


async def hide_unseen(
    connection: AsyncConnection, entries: Sequence[TimelineEntry], *, sight: Sight
) -> Sequence[TimelineEntry]:
    """Return the entries without the ids of tasks that are not seen."""
    unseen = await find_unseen(connection, entries, sight=sight)
    return [without_names(entry, unseen) for entry in entries] if unseen else entries


async def find_unseen(connection: AsyncConnection, entries: Iterable[TimelineEntry], *, sight: Sight) -> set[str]:
    """Return the ids in these entries of tasks that are not seen."""
    names = {name for entry in entries for name in names_of(entry)} if sight.is_bounded else set()
    return names - await list_seen(connection, names, sight=sight) if names else names


async def _history_of(
    connection: AsyncConnection, task: Task, *, sight: Sight, max_facts: int = MAX_FACTS
) -> TaskHistory[Task]:
    facts = await events.get_latest_facts(connection, task.task_id, since=task.events_from, limit=max_facts + 1)
    truncated = len(facts) > max_facts
    # To sort ten thousand takes 0.3 s, a few less than the way into a thread and back.
    del facts[max_facts:]
    entries = timeline(facts) if len(facts) <= FEW else await asyncio.to_thread(timeline, facts)
    if truncated:
        entries = _numbered_to(task.attempt_count, entries)
    left_out = 0 if truncated else max(0, (task.fact_count or 0) - len(facts))
    until = task.completed_at or datetime.now(UTC)
    deaf = await gaps.overlaps_gap(connection, since=task.events_from, until=until)
    return TaskHistory(
        task=task,
        entries=await hide_unseen(connection, entries, sight=sight),
        worker_ids=await nodes.get_worker_ids(connection, (entry.node for entry in entries if entry.node)),
        complete=not deaf and not task.reconstructed and not truncated and not left_out,
        truncated=truncated,
        left_out=left_out,
    )


def _numbered_to(attempt_count: int, entries: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """Number the attempts so that those that are not shown count before those that are."""
    before = max(0, attempt_count - max((entry.attempt or 0 for entry in entries), default=0))
    return [replace(entry, attempt=entry.attempt + before) if entry.attempt else entry for entry in entries]
