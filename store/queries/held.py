"""What marks hold back: tasks that are due, and that the dispatchers pass over."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, any_, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.degradation import BlockedWork
from domain.sight import Sight
from store.batch import IDS
from store.queries.for_queues import COUNTED_DUE
from store.queries.outbox import is_calm
from store.queries.sight import KEPT, seen
from store.tables.tasks import outbox, tasks


@dataclass(frozen=True, slots=True)
class HeldTasks:
    """The tasks of one queue and name that are held back."""

    queue_name: str
    task_name: str
    count: int
    oldest_due_at: datetime


@lru_cache(maxsize=KEPT)
def _held(sight: Sight, everything: bool) -> Select[Any]:
    longest = select(outbox.c.task_id, outbox.c.due_at).where(outbox.c.due_at <= func.now(), is_calm)
    rows = longest.order_by(outbox.c.due_at).limit(COUNTED_DUE + 1).subquery()
    is_held = or_(
        tasks.c.queue_name == any_(bindparam("queue_names", type_=IDS)),
        tasks.c.task_name == any_(bindparam("task_names", type_=IDS)),
    )
    return (
        select(tasks.c.queue_name, tasks.c.task_name, func.count(), func.min(rows.c.due_at))
        .join(rows, rows.c.task_id == tasks.c.task_id)
        .where(true() if everything else is_held, *seen(sight))
        .group_by(tasks.c.queue_name, tasks.c.task_name)
        .order_by(func.count().desc(), tasks.c.queue_name, tasks.c.task_name)
    )


_due = select(outbox.c.task_id).where(outbox.c.due_at <= func.now(), is_calm).limit(COUNTED_DUE + 1).subquery()


async def list_held(connection: AsyncConnection, blocked: BlockedWork, *, sight: Sight) -> tuple[list[HeldTasks], bool]:
    """Return what is held back, by queue and name, and whether that is all: `COUNTED_DUE` due tasks are looked at, the
    longest due (index outbox_due, primary key of tasks).
    """
    named = {"queue_names": list(blocked.queue_names), "task_names": list(blocked.task_names)}
    rows = await connection.execute(_held(sight, blocked.everything), {} if blocked.everything else named)
    due: int = (await connection.execute(select(func.count()).select_from(_due))).scalar_one()
    return [HeldTasks(*row) for row in rows], due <= COUNTED_DUE
