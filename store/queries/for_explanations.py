"""What Postgres knows of a task that does not run, and of what lies on its way."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Integer, Text, any_, bindparam, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.explanations import Undispatched
from domain.states import Phase
from store.batch import IDS
from store.tables.base import Time
from store.tables.tasks import outbox, tasks
from store.tables.workers import registered_tasks

COUNTED_BEFORE = 10_000

_undispatched = select(
    outbox.c.due_at, outbox.c.refusals, outbox.c.refusal, outbox.c.parked_at, outbox.c.postponed_at
).where(outbox.c.task_id == bindparam("task_id"))


async def find_undispatched(connection: AsyncConnection, task_id: str) -> Undispatched | None:
    """Return what the outbox says of a task (primary key); None if it is not in there."""
    row = (await connection.execute(_undispatched, {"task_id": task_id})).one_or_none()
    return Undispatched(*row) if row else None


_dispatch = select(tasks.c.submitted_here, tasks.c.dispatched_at).where(tasks.c.task_id == bindparam("task_id"))


async def get_dispatch(connection: AsyncConnection, task_id: str) -> tuple[bool, datetime | None]:
    """Return whether a task was submitted here, and when it was handed to the broker (primary key)."""
    submitted_here, dispatched_at = (await connection.execute(_dispatch, {"task_id": task_id})).one()
    return submitted_here, dispatched_at


_before = (
    select(literal(1))
    .where(
        tasks.c.queue_name == bindparam("queue_name", type_=Text),
        tasks.c.dispatched_at < bindparam("dispatched_at", type_=Time),
        tasks.c.phase == literal(Phase.QUEUED.value, literal_execute=True),
        tasks.c.submitted_here,
        tasks.c.attempt_count == literal(0, Integer, literal_execute=True),
    )
    .limit(COUNTED_BEFORE)
    .subquery()
)


async def count_sent_before(connection: AsyncConnection, queue_name: str, *, dispatched_at: datetime) -> int:
    """Count the tasks of ours that were handed to this queue earlier and were not received, up to `COUNTED_BEFORE`
    (index tasks_unreceived).
    """
    asked = {"queue_name": queue_name, "dispatched_at": dispatched_at}
    return int((await connection.execute(select(func.count()).select_from(_before), asked)).scalar_one())


_knowers = select(registered_tasks.c.node).where(
    registered_tasks.c.task_name == bindparam("task_name", type_=Text),
    registered_tasks.c.node == any_(bindparam("nodes", type_=IDS)),
)


async def list_knowing_nodes(connection: AsyncConnection, task_name: str, *, nodes: Collection[str]) -> set[str]:
    """Return those of the nodes that know the task (primary key of registered_tasks)."""
    rows = await connection.execute(_knowers, {"task_name": task_name, "nodes": list(nodes)})
    return {row.node for row in rows}
