"""What workers say of the tasks that they know, and the latest failure under a name."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Interval, Select, Text, and_, any_, bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.sight import Sight
from domain.states import Status
from domain.workers.status import KNOWN_WITHIN
from store.batch import IDS
from store.queries.sight import KEPT, seen
from store.queries.tasks.documents import shortened
from store.queries.workers.nodes import is_online
from store.tables.tasks import tasks
from store.tables.workers import registered_tasks, workers

MAX_WORKERS = 100
LOOKED_THROUGH = 10_000
"""How many tasks of a name, the newest, are looked through for one that has failed."""

_is_known = registered_tasks.c.seen_at > func.now() - bindparam("known_within", KNOWN_WITHIN, type_=Interval)
_known = (
    select(
        registered_tasks.c.task_name,
        func.count().filter(is_online()),
        func.bool_and(registered_tasks.c.acks_late),
        func.bool_or(registered_tasks.c.acks_late),
        func.min(registered_tasks.c.max_retries),
        func.max(registered_tasks.c.max_retries),
    )
    .join(workers, workers.c.node == registered_tasks.c.node)
    .where(registered_tasks.c.task_name == any_(bindparam("names", type_=IDS)), _is_known)
    .group_by(registered_tasks.c.task_name)
)


@dataclass(frozen=True, slots=True)
class KnownName:
    """What the workers that know a task say of it; None where they say nothing, or not all the same."""

    online: int
    """How many of them are online."""
    acks_late: bool | None
    max_retries: int | None


async def list_known(connection: AsyncConnection, names: Collection[str]) -> dict[str, KnownName]:
    """Return what is said of these names, for those that a worker knew lately (index registered_tasks_name)."""
    rows = await connection.execute(_known, {"names": list(names)})
    return {
        name: KnownName(online, every if every == some else None, least if least == most else None)
        for name, online, every, some, least, most in rows
    }


_knows = and_(registered_tasks.c.node == workers.c.node, registered_tasks.c.task_name == bindparam("task_name"))
_knowers = (
    select(
        workers.c.worker_id,
        workers.c.node,
        registered_tasks.c.node.is_not(None).label("knows"),
        registered_tasks.c.acks_late,
        registered_tasks.c.max_retries,
    )
    .outerjoin(registered_tasks, _knows)
    .where(is_online(), workers.c.described_at.is_not(None))
    .order_by(registered_tasks.c.node.is_not(None), workers.c.node)
    .limit(MAX_WORKERS)
)


@dataclass(frozen=True, slots=True)
class Knower:
    """A worker that is online, and whether it knows a task."""

    worker_id: UUID
    node: str
    knows: bool
    acks_late: bool | None
    max_retries: int | None


async def list_knowers(connection: AsyncConnection, task_name: str, *, only: bool) -> list[Knower]:
    """Return workers that are online, those first that do not know the task, or `only` those that do (primary key of
    registered_tasks).
    """
    statement = _knowers.where(registered_tasks.c.node.is_not(None)) if only else _knowers
    return [Knower(*row) for row in await connection.execute(statement, {"task_name": task_name})]


_is_named = select(exists().where(tasks.c.task_name == bindparam("task_name", type_=Text)))


async def is_name_used(connection: AsyncConnection, task_name: str) -> bool:
    """Tell whether any task has this name (index tasks_name)."""
    return bool((await connection.execute(_is_named, {"task_name": task_name})).scalar_one())


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed."""

    task_id: str
    error: str | None
    failed_at: datetime | None


@lru_cache(maxsize=KEPT)
def _latest_failure(sight: Sight) -> Select[Any]:
    named = select(tasks).where(tasks.c.task_name == bindparam("task_name", type_=Text), *seen(sight))
    newest = named.order_by(tasks.c.created_at.desc()).limit(LOOKED_THROUGH).subquery("newest")
    failed = newest.c.status == Status.FAILED.value
    columns = (newest.c.task_id, shortened(newest.c.exception), newest.c.completed_at)
    return select(*columns).where(failed).order_by(newest.c.completed_at.desc().nulls_last()).limit(1)


async def find_latest_failure(connection: AsyncConnection, task_name: str, *, sight: Sight) -> Failure | None:
    """Return the latest failure among the newest `LOOKED_THROUGH` tasks of this name (index tasks_name)."""
    row = (await connection.execute(_latest_failure(sight), {"task_name": task_name})).one_or_none()
    return Failure(*row) if row else None
