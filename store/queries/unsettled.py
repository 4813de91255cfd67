"""Tasks that workers hold as far as we know, and what we know of those that they say they run."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Integer, Text, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase
from store.tables import tasks


@dataclass(frozen=True, slots=True)
class WithWorker:
    """A task that a node received or started, and did not end as far as we know."""

    task_id: str
    node: str
    queue_name: str | None


_with_workers = (
    select(tasks.c.task_id, tasks.c.node, tasks.c.queue_name)
    .where(
        tasks.c.phase.in_((Phase.RESERVED.value, Phase.RUNNING.value)),
        tasks.c.node == bindparam("nodes", type_=ARRAY(Text)).any_(),
    )
    .order_by(tasks.c.checked_at)
    .limit(bindparam("limit", type_=Integer))
)
_phases = select(tasks.c.task_id, tasks.c.phase).where(
    tasks.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_()
)


async def list_with_workers(connection: AsyncConnection, nodes: Collection[str], *, limit: int) -> list[WithWorker]:
    """Those at these nodes, the longest unheard of first (index tasks_held: as many as workers hold)."""
    rows = await connection.execute(_with_workers, {"nodes": list(nodes), "limit": limit})
    return [WithWorker(*row) for row in rows]


async def get_phases(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, Phase]:
    """By task, for those that are known (primary key)."""
    rows = await connection.execute(_phases, {"task_ids": list(task_ids)})
    return {row.task_id: Phase(row.phase) for row in rows}
