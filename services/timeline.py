"""A task's history with what is known about its gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import TaskNotFound
from domain.timeline import Entry, timeline
from store.queries import events, gaps, tasks, workers
from store.queries.tasks import Record


@dataclass(frozen=True, slots=True)
class History:
    """A task, its timeline, and whether the mirror could hear all the while."""

    task: Record
    entries: Sequence[Entry]
    worker_ids: dict[str, UUID]
    complete: bool


async def read_history(connection: AsyncConnection, task_id: str) -> History:
    """Everything that was told of a task; raises TaskNotFound."""
    task = await tasks.get_task(connection, task_id)
    if task is None:
        raise TaskNotFound
    facts = await events.get_facts(connection, [task_id], since=task["events_from"])
    entries = timeline(facts.get(task_id, ()))
    until = task["completed_at"] or datetime.now(UTC)
    deaf = await gaps.overlaps_gap(connection, since=task["events_from"], until=until)
    return History(
        task=task,
        entries=entries,
        worker_ids=await workers.get_worker_ids(connection, (entry.node for entry in entries if entry.node)),
        complete=not deaf and not task["reconstructed"],
    )
