"""Which names of tasks workers have told, and under which they were heard to have tasks."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Interval, Text, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.workers.nodes import is_online
from store.tables.tasks import tasks
from store.tables.workers import registered_tasks, workers

_untold = select(workers.c.node).where(is_online(), workers.c.described_at.is_(None)).limit(1)


async def have_all_told(connection: AsyncConnection) -> bool:
    """Tell whether every online worker has said which tasks it knows."""
    return (await connection.execute(_untold)).scalar_one_or_none() is None


LOOKED_THROUGH = 100
"""How many tasks of a name, the newest, are looked through for one that a worker has had."""
_asked_names = func.unnest(bindparam("names", type_=ARRAY(Text))).table_valued(column("name", Text))
_latest_of_name = (
    select(tasks.c.node)
    .where(
        tasks.c.task_name == _asked_names.c.name, tasks.c.created_at > func.now() - bindparam("max_age", type_=Interval)
    )
    .order_by(tasks.c.created_at.desc())
    .limit(LOOKED_THROUGH)
    .lateral()
)
_heard_names = (
    select(_asked_names.c.name)
    .select_from(_asked_names.join(_latest_of_name, _latest_of_name.c.node.is_not(None)))
    .distinct()
)


async def list_heard_task_names(connection: AsyncConnection, names: Collection[str], *, max_age: timedelta) -> set[str]:
    """Return those of the names under which a worker has received a task lately (index tasks_name)."""
    asked = {"names": list(names), "max_age": max_age}
    return set((await connection.execute(_heard_names, asked)).scalars())


async def list_known_task_names(connection: AsyncConnection, *, max_age: timedelta, limit: int) -> list[str]:
    """Return up to `limit` names of tasks that some worker knew within `max_age`."""
    names = select(registered_tasks.c.task_name).distinct().where(registered_tasks.c.seen_at > func.now() - max_age)
    names = names.limit(limit)
    return [row.task_name for row in await connection.execute(names)]
