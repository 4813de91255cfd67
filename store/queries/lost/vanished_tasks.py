"""Tasks that workers hold as far as we know, and what we know of those that they say they run."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, Text, bindparam, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase, Status
from store.tables.tasks import tasks

ON_ITS_WAY = timedelta(hours=1)
"""How long a task that no worker has told of may be waited for; of one that tells nothing no end is heard."""


@dataclass(frozen=True, slots=True)
class WithWorker:
    """A task that a node received or started, and did not end as far as we know."""

    task_id: str
    node: str
    queue_name: str | None
    sent_at: datetime
    """When it was sent, or first heard of."""


_with_workers = (
    select(tasks.c.task_id, tasks.c.node, tasks.c.queue_name, func.coalesce(tasks.c.dispatched_at, tasks.c.created_at))
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

_other = tasks.alias("other")
_continued = select(tasks.c.task_id).where(
    tasks.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_(),
    exists().where(
        _other.c.root_id == func.coalesce(tasks.c.root_id, tasks.c.task_id),
        _other.c.parent_id.is_not(None),
        _other.c.task_id != tasks.c.task_id,
        _other.c.status.in_((Status.PENDING.value, Status.RUNNING.value)),
        _other.c.created_at >= tasks.c.started_at,
        or_(_other.c.node.is_not(None), _other.c.created_at > func.now() - literal(ON_ITS_WAY)),
    ),
)


async def list_continued(connection: AsyncConnection, task_ids: Collection[str]) -> frozenset[str]:
    """Return those after whose start tasks of the same tree were sent that are under way (index tasks_root).

    A task that replaced itself by a chain or a group goes on when they have run.
    """
    return frozenset((await connection.execute(_continued, {"task_ids": list(task_ids)})).scalars())


async def list_with_workers(connection: AsyncConnection, nodes: Collection[str], *, limit: int) -> list[WithWorker]:
    """Return tasks at these nodes, the longest unheard of first (index tasks_held: as many as workers hold)."""
    rows = await connection.execute(_with_workers, {"nodes": list(nodes), "limit": limit})
    return [WithWorker(*row) for row in rows]


async def get_phases(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, Phase]:
    """Return the phase of each task that is known (primary key)."""
    rows = await connection.execute(_phases, {"task_ids": list(task_ids)})
    return {row.task_id: Phase(row.phase) for row in rows}
