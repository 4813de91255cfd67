"""What operators want of workers: stored, listed for the loop that brings it about, and taken back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Text, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workers.control import RESIZABLE_POOLS
from domain.workers.status import worker_id_of
from store.queries.workers.nodes import (
    COLUMNS,
    WorkerRow,
    has_wish,
    is_draining,
    is_held,
    is_online,
    is_other_process,
    may_be_asked,
)
from store.tables.workers import registered_tasks, workers

_DRAIN = ("started_at", "deadline_at", "shutdown_at", "goodbye_at", "remaining")
"""All that is kept of a drain but when it was over, which stays for the worker's history."""
_NO_DRAIN = dict.fromkeys(f"drain_{name}" for name in _DRAIN)
_no_queues = array([], type_=Text)


async def lock_node(connection: AsyncConnection, node: str) -> WorkerRow | None:
    """Return the worker of this node, which nobody else changes until this transaction ends."""
    locked = select(workers.c.worker_id).where(workers.c.node == node).with_for_update()
    if (await connection.execute(locked)).one_or_none() is None:
        return None
    return WorkerRow(*(await connection.execute(select(*COLUMNS).where(workers.c.node == node))).one())


async def register(connection: AsyncConnection, node: str, *, capacity: int | None, default_capacity: int) -> bool:
    """Make or adopt the worker of this node; False if it was registered before.

    A node never heard gets `default_capacity` where none is named, a known one keeps the size that it has.
    """
    size = capacity or default_capacity
    row = {"worker_id": worker_id_of(node), "node": node, "registered_at": func.now(), "capacity": size}
    adopted = {"registered_at": func.now()} | ({} if capacity is None else {"capacity": capacity})
    made = insert(workers).values(row)
    statement = made.on_conflict_do_update(
        index_elements=["node"], set_=adopted, where=workers.c.registered_at.is_(None)
    ).returning(workers.c.worker_id)
    return (await connection.execute(statement)).one_or_none() is not None


async def want_pause(connection: AsyncConnection, worker_id: UUID) -> None:
    """Store the wish that it start nothing until further notice. A drain under way stays one."""
    await _change(connection, worker_id, want_paused=True)


async def want_resume(connection: AsyncConnection, worker_id: UUID) -> None:
    """Store the wish that it work; a drain is taken back, and one that is over is forgotten."""
    await _change(connection, worker_id, want_paused=False, **_NO_DRAIN)


async def want_drain(connection: AsyncConnection, worker_id: UUID, *, deadline_at: datetime | None) -> None:
    """Store the wish that it finish what it runs and exit. While it does so already, only the deadline is new."""
    begins = ~is_draining()
    await _change(
        connection,
        worker_id,
        drain_started_at=case((begins, func.now()), else_=workers.c.drain_started_at),
        drain_goodbye_at=case((begins, workers.c.goodbye_at), else_=workers.c.drain_goodbye_at),
        drain_shutdown_at=case((begins, None), else_=workers.c.drain_shutdown_at),
        drain_remaining=case((begins, None), else_=workers.c.drain_remaining),
        drain_deadline_at=deadline_at,
        drain_finished_at=None,
    )


async def want_capacity(connection: AsyncConnection, worker_id: UUID, *, capacity: int) -> None:
    """Store the wish that it run so many tasks at once."""
    await _change(connection, worker_id, capacity=capacity)


async def note_resize(connection: AsyncConnection, worker_id: UUID, *, target: int, pid: int | None) -> None:
    """Note that the process of this pid has been, or is about to be, ordered to this size."""
    await _change(connection, worker_id, resize_target=target, resize_at=func.now(), resize_pid=pid)


async def note_remaining(connection: AsyncConnection, worker_id: UUID, *, task_ids: Sequence[str]) -> None:
    """Note what a draining worker still runs."""
    await _change(connection, worker_id, is_draining(), drain_remaining=sorted(task_ids))


async def note_shutdown(connection: AsyncConnection, worker_id: UUID, *, not_after: datetime) -> bool:
    """Tell whether the shutdown of a drain is ours to send: nobody took it back, nor sent one since `not_after`."""
    sent = workers.c.drain_shutdown_at
    due = and_(is_draining(), or_(sent.is_(None), sent < not_after))
    return await _change(connection, worker_id, due, drain_shutdown_at=func.now(), drain_remaining=_no_queues)


async def finish_drain(connection: AsyncConnection, worker_id: UUID) -> bool:
    """Note that the worker is gone: its next start is ordinary. False if the drain was taken back or is over."""
    return await _change(
        connection,
        worker_id,
        is_draining(),
        drain_finished_at=func.now(),
        drain_remaining=_no_queues,
        want_paused=False,
    )


async def delete_offline(connection: AsyncConnection, worker_id: UUID) -> bool:
    """Forget a worker and what it knew; False if it is online."""
    statement = delete(workers).where(workers.c.worker_id == worker_id, ~is_online()).returning(workers.c.node)
    node = (await connection.execute(statement)).scalar_one_or_none()
    if node is None:
        return False
    await connection.execute(delete(registered_tasks).where(registered_tasks.c.node == node))
    return True


_diverged = (
    select(*COLUMNS)
    .where(
        is_online(),
        has_wish(),
        may_be_asked(),
        or_(
            is_other_process(),
            and_(is_held(), workers.c.is_paused.is_distinct_from(True)),
            and_(
                workers.c.want_paused.is_(False),
                ~is_draining(),
                or_(
                    workers.c.is_paused.is_distinct_from(False),
                    ~func.coalesce(workers.c.consuming, _no_queues).contains(
                        func.coalesce(workers.c.queues, _no_queues)
                    ),
                ),
            ),
            and_(
                workers.c.capacity != workers.c.concurrency,
                workers.c.pool.in_(RESIZABLE_POOLS),
                ~workers.c.autoscales,
            ),
        ),
    )
    .order_by(workers.c.described_at.nulls_first())
    .limit(bindparam("limit"))
)


any_diverged = _diverged.order_by(None).limit(None).exists()
"""Whether `list_diverged` finds any."""


async def list_diverged(connection: AsyncConnection, *, limit: int) -> list[WorkerRow]:
    """Return online workers not known to be as they are wanted, those first that were asked longest ago."""
    return [WorkerRow(*row) for row in await connection.execute(_diverged, {"limit": limit})]


# Drained workers that somebody has started again are workers like any other.
_has_returned = and_(workers.c.drain_started_at.is_not(None), workers.c.drain_finished_at.is_not(None), is_online())
_forget_returned = update(workers).where(_has_returned).values(_NO_DRAIN)
_draining = (
    select(*COLUMNS)
    .where(is_draining())
    .order_by(workers.c.drain_started_at)
    .limit(bindparam("limit", type_=Integer))
    .add_cte(_forget_returned.cte("returned"))
)


any_drain = exists().where(or_(is_draining(), _has_returned))
"""Whether `list_draining` finds any, or has a drain to forget."""


async def list_draining(connection: AsyncConnection, *, limit: int) -> list[WorkerRow]:
    """Return workers that are to go and have not gone, the longest under way first; forget the drains of those that
    went and have come back.
    """
    return [WorkerRow(*row) for row in await connection.execute(_draining, {"limit": limit})]


async def list_held_nodes(connection: AsyncConnection) -> list[str]:
    """Return nodes that shall start nothing, online or not."""
    return list((await connection.execute(select(workers.c.node).where(is_held()))).scalars())


async def _change(connection: AsyncConnection, worker_id: UUID, *where: ColumnElement[bool], **values: object) -> bool:
    """Whether there was a row to change."""
    changed = update(workers).where(workers.c.worker_id == worker_id, *where).values(values)
    return (await connection.execute(changed.returning(workers.c.worker_id))).one_or_none() is not None
