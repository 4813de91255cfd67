"""What marks hold back: tasks that are due, and that the dispatchers pass over."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, any_, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.degradation import BlockedWork
from domain.sight import EVERYTHING, Sight
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
        select(tasks.c.queue_name, tasks.c.task_name, func.count().label("count"), func.min(rows.c.due_at))
        .join(rows, rows.c.task_id == tasks.c.task_id)
        .where(true() if everything else is_held, *seen(sight))
        .group_by(tasks.c.queue_name, tasks.c.task_name)
        .order_by(func.count().desc(), tasks.c.queue_name, tasks.c.task_name)
    )


@lru_cache(maxsize=2)
def _counted(everything: bool) -> Select[Any]:
    found = _held(EVERYTHING, everything).order_by(None).subquery()
    return select(func.coalesce(func.sum(found.c.count), 0))


async def count_held_back(connection: AsyncConnection, blocked: BlockedWork) -> int:
    """Return how many tasks are held back, of the `COUNTED_DUE` longest due; see `list_held`."""
    if not blocked:
        return 0
    return int((await connection.execute(_counted(blocked.everything), _named(blocked))).scalar_one())


_due = select(outbox.c.task_id).where(outbox.c.due_at <= func.now(), is_calm).limit(COUNTED_DUE + 1).subquery()


async def list_held(connection: AsyncConnection, blocked: BlockedWork, *, sight: Sight) -> tuple[list[HeldTasks], bool]:
    """Return what is held back, by queue and name, and whether that is all: `COUNTED_DUE` due tasks are looked at, the
    longest due (index outbox_due, primary key of tasks).
    """
    rows = await connection.execute(_held(sight, blocked.everything), _named(blocked))
    due: int = (await connection.execute(select(func.count()).select_from(_due))).scalar_one()
    return [HeldTasks(*row) for row in rows], due <= COUNTED_DUE


def _named(blocked: BlockedWork) -> dict[str, list[str]]:
    if blocked.everything:
        return {}
    return {"queue_names": list(blocked.queue_names), "task_names": list(blocked.task_names)}
