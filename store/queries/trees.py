"""Tasks that have one root: chains, groups and chords, and what tasks have sent while they ran."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.sight import EVERYTHING, Sight
from store.queries.sight import linked, seen
from store.queries.tasks.documents import ROW, ListedTask
from store.tables.tasks import tasks


@dataclass(frozen=True, slots=True)
class TreeMember(ListedTask):
    """A task with its place among those of its root."""

    root_id: str | None
    parent_id: str | None


async def get_root_id(connection: AsyncConnection, task_id: str, *, sight: Sight = EVERYTHING) -> str | None:
    """Return the root of the tree that a task stands in, its own id if it has none; None if there is no such task."""
    root = select(func.coalesce(tasks.c.root_id, tasks.c.task_id)).where(tasks.c.task_id == task_id, *seen(sight))
    root_id: str | None = (await connection.execute(root)).scalar_one_or_none()
    return root_id


async def list_tree(
    connection: AsyncConnection, root_id: str, *, limit: int, sight: Sight = EVERYTHING
) -> tuple[int, list[TreeMember]]:
    """Return how many tasks have this root, itself included, and the oldest of them (index tasks_root)."""
    below_root = (tasks.c.root_id == root_id) & tasks.c.parent_id.is_not(None)
    of_root = and_(or_(tasks.c.task_id == root_id, below_root), *seen(sight))
    total: int = (await connection.execute(select(func.count()).select_from(tasks).where(of_root))).scalar_one()
    oldest: Select[Any] = (
        select(*linked((*ROW, tasks.c.root_id, tasks.c.parent_id), sight))
        .where(of_root)
        .order_by(tasks.c.created_at, tasks.c.task_id)
    )
    return total, [TreeMember(*row) for row in await connection.execute(oldest.limit(limit))]
