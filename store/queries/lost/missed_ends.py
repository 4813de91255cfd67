"""What the sweep looks at: unfinished tasks of which nothing was heard for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, Interval, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase, Status
from store.tables.tasks import tasks

WITH_A_WORKER_OR_BROKER = [phase.value for phase in (Phase.QUEUED, Phase.RESERVED, Phase.RUNNING, Phase.RETRYING)]


@dataclass(frozen=True, slots=True)
class SilentTask:
    """An unfinished task, or one whose result is missing, that was not looked at for a while."""

    task_id: str
    phase: str
    queue_name: str | None
    submitted_here: bool
    dispatched_at: datetime | None
    completed_at: datetime | None
    result_pending: bool
    retries_base: int
    attempt_count: int


_columns = [tasks.c[name] for name in SilentTask.__dataclass_fields__]
_silent = (
    select(*_columns)
    .where(
        tasks.c.status.in_((Status.PENDING.value, Status.RUNNING.value)),
        tasks.c.phase.in_(WITH_A_WORKER_OR_BROKER),
        tasks.c.checked_at < func.now() - bindparam("silence", type_=Interval),
    )
    .order_by(tasks.c.checked_at)
    .limit(bindparam("limit", type_=Integer))
)
_pending_results = (
    select(*_columns)
    .where(tasks.c.result_pending, tasks.c.checked_at < func.now() - bindparam("silence", type_=Interval))
    .order_by(tasks.c.checked_at)
    .limit(bindparam("limit", type_=Integer))
)


async def list_silent(connection: AsyncConnection, *, silence: timedelta, limit: int) -> list[SilentTask]:
    """Return unfinished tasks with no news for `silence`, longest first (index tasks_unfinished)."""
    rows = await connection.execute(_silent, {"silence": silence, "limit": limit})
    return [SilentTask(*row) for row in rows]


async def list_result_pending(connection: AsyncConnection, *, silence: timedelta, limit: int) -> list[SilentTask]:
    """Return ended tasks whose result was not there yet (index tasks_result_pending)."""
    rows = await connection.execute(_pending_results, {"silence": silence, "limit": limit})
    return [SilentTask(*row) for row in rows]


_ids = bindparam("task_ids", type_=ARRAY(Text)).any_()


async def mark_checked(connection: AsyncConnection, task_ids: Sequence[str]) -> None:
    """Look at these again only after another silence; lock them in id order, as everyone does."""
    locked = select(tasks.c.task_id).where(tasks.c.task_id == _ids).order_by(tasks.c.task_id).with_for_update()
    await connection.execute(
        update(tasks).where(tasks.c.task_id.in_(locked)).values(checked_at=func.now()), {"task_ids": list(task_ids)}
    )


async def give_up_results(connection: AsyncConnection, task_ids: Sequence[str]) -> None:
    """Stop waiting for results that the backend does not have."""
    await connection.execute(
        update(tasks).where(tasks.c.task_id == _ids).values(result_pending=False), {"task_ids": sorted(task_ids)}
    )
