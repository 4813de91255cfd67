"""What the feed has told of workers: that they came, that they went, and how many changes that makes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, bindparam, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.workers.nodes import is_online
from store.tables.workers import workers


@dataclass(frozen=True, slots=True)
class ChangedPresence:
    """A worker that has come or gone since that was told last."""

    worker_id: UUID
    node: str
    is_online: bool
    change_count: int


_is_changed = workers.c.told_online != is_online()
_is_any_changed = select(exists().where(_is_changed))
_counted = workers.c.change_count + 1
# Whom somebody writes of just now is taken the next time: who waits for several rows may be waited for.
_changed = select(workers.c.worker_id).where(_is_changed).with_for_update(skip_locked=True)
_take = (
    update(workers)
    .where(workers.c.worker_id.in_(_changed))
    .values(told_online=~workers.c.told_online, change_count=_counted)
    .returning(workers.c.worker_id, workers.c.node, workers.c.told_online, workers.c.change_count)
)
_count = (
    update(workers)
    .where(workers.c.worker_id == bindparam("worker", type_=Uuid))
    .values(change_count=_counted)
    .returning(workers.c.change_count)
)


async def is_any_changed(connection: AsyncConnection) -> bool:
    """Whether there is a worker that has come or gone since that was told last."""
    return bool((await connection.execute(_is_any_changed)).scalar_one())


async def take_changed(connection: AsyncConnection) -> list[ChangedPresence]:
    """Return the workers that have come or gone, each to one caller only; workers are few."""
    return [ChangedPresence(*row) for row in await connection.execute(_take)]


async def count_change(connection: AsyncConnection, worker_id: UUID) -> int | None:
    """Count one more change of a worker, and return which it is; None if there is no such worker (primary key)."""
    number: int | None = (await connection.execute(_count, {"worker": worker_id})).scalar_one_or_none()
    return number
