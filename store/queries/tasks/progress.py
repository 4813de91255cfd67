"""How far many tasks are, for whoever looks at them again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.sight import Sight
from store.batch import IDS
from store.queries.sight import KEPT, seen
from store.queries.tasks.documents import shortened, worker_id
from store.tables.tasks import tasks


@dataclass(frozen=True, slots=True)
class TaskState:
    """How far a task is."""

    task_id: str
    status: str
    phase: str
    node: str | None
    worker_id: UUID | None
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    retry_count: int
    error: str | None
    cancel_requested_at: datetime | None
    outcome: str | None


@lru_cache(maxsize=KEPT)
def _states(sight: Sight) -> Select[Any]:
    made = {"worker_id": worker_id, "error": shortened(tasks.c.exception)}
    columns = (made[name] if name in made else tasks.c[name] for name in TaskState.__dataclass_fields__)
    return select(*columns).where(tasks.c.task_id == any_(bindparam("task_ids", type_=IDS)), *seen(sight))


async def list_states(connection: AsyncConnection, task_ids: Sequence[str], *, sight: Sight) -> list[TaskState]:
    """Return how far those of these tasks are that are seen, in the order asked for (primary key)."""
    rows = await connection.execute(_states(sight), {"task_ids": list(task_ids)})
    found = {row.task_id: TaskState(*row) for row in rows}
    return [found[task_id] for task_id in dict.fromkeys(task_ids) if task_id in found]
