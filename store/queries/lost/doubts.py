"""Tasks that are nowhere to be found and that nobody dares to send again."""

from collections.abc import Collection, Mapping

from sqlalchemy import Text, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase
from store.batch import batch_of, bind_rows
from store.tables.doubts import doubts
from store.tables.tasks import tasks

_DOUBT = ("task_id", "doubt")
_noted = batch_of(task_id=Text(), doubt=Text())
_insert = insert(doubts).from_select(_DOUBT, select(_noted.c.task_id, _noted.c.doubt).order_by(_noted.c.task_id))
_note = _insert.on_conflict_do_update(index_elements=["task_id"], set_={"doubt": _insert.excluded.doubt})
_ids = bindparam("task_ids", type_=ARRAY(Text)).any_()
_went_on = select(tasks.c.task_id).where(tasks.c.task_id == doubts.c.task_id, tasks.c.phase == Phase.QUEUED.value)
_forget = delete(doubts).where(or_(doubts.c.task_id == _ids, ~_went_on.exists()))
counts_by_queue = (
    select(tasks.c.queue_name, func.count())
    .select_from(doubts.join(tasks, tasks.c.task_id == doubts.c.task_id))
    .where(tasks.c.phase == Phase.QUEUED.value, tasks.c.queue_name.is_not(None))
    .group_by(tasks.c.queue_name)
)
"""Counts by queue the tasks that are nowhere to be found."""


async def note(connection: AsyncConnection, reasons: Mapping[str, str]) -> None:
    """Store why these tasks are not sent again (primary key)."""
    if reasons:
        await connection.execute(_note, bind_rows(_DOUBT, reasons.items()))


async def forget(connection: AsyncConnection, task_ids: Collection[str]) -> None:
    """Forget the doubts about these tasks, and about those that have gone on since. Few are ever in doubt."""
    await connection.execute(_forget, {"task_ids": list(task_ids)})


async def is_doubted(connection: AsyncConnection, task_id: str) -> bool:
    """Tell whether the task is nowhere to be found (primary key)."""
    query = select(doubts.c.task_id).where(doubts.c.task_id == task_id)
    return (await connection.execute(query)).first() is not None
