"""What Postgres knows of queues: which there are, what waits for them here and in them, and who consumes them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, Text, and_, any_, bindparam, column, exists, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.sight import Sight, fits_patterns
from domain.states import Phase
from store.queries.for_dashboard import list_queue_names
from store.queries.outbox import is_calm
from store.queries.sight import KEPT, seen
from store.queries.workers.nodes import COLUMNS, WorkerRow, is_draining, is_online, is_paused, last_sign
from store.tables.tasks import outbox, tasks
from store.tables.workers import workers

COUNTED_DUE = 10_000
"""How many due tasks are counted, the longest due: each costs a look into tasks."""
MAX_QUEUES = 1_000
MAX_CONSUMERS = 100


async def list_seen_queues(connection: AsyncConnection, *, others: Iterable[str], sight: Sight) -> list[str]:
    """Return the queues that tasks name, that online workers consume, and the `others`, of those that are seen."""
    names = {*others, *await list_queue_names(connection, limit=MAX_QUEUES)}
    return sorted(name for name in names if fits_patterns(name, sight.limits.queues))


_consumers = bindparam("queue_name", type_=Text) == any_(workers.c.queues)


_is_named = exists().where(tasks.c.queue_name == bindparam("queue_name", type_=Text))
_is_there = select(or_(_is_named, exists().where(_consumers)))


async def is_queue_known(connection: AsyncConnection, queue_name: str) -> bool:
    """Tell whether a task names this queue (index tasks_queue) or a worker ever consumed it."""
    return bool((await connection.execute(_is_there, {"queue_name": queue_name})).scalar_one())


@dataclass(frozen=True, slots=True)
class DueCounts:
    """Tasks that are due and not handed to the broker, by queue."""

    by_queue: dict[str, int]
    is_exact: bool


@lru_cache(maxsize=KEPT)
def _due(sight: Sight) -> Select[Any]:
    longest = select(outbox.c.task_id).where(outbox.c.due_at <= func.now(), is_calm).order_by(outbox.c.due_at)
    rows = longest.limit(COUNTED_DUE + 1).subquery()
    queue_name = func.coalesce(tasks.c.queue_name, "").label("queue_name")
    is_seen = and_(true(), *seen(sight)).label("is_seen")
    found = select(queue_name, is_seen).join(rows, rows.c.task_id == tasks.c.task_id).subquery()
    return select(found.c.queue_name, func.count().filter(found.c.is_seen), func.count()).group_by(found.c.queue_name)


async def count_due(connection: AsyncConnection, *, sight: Sight) -> DueCounts:
    """Count the longest due (index outbox_due, primary key of tasks); what the broker refuses is left out."""
    rows = (await connection.execute(_due(sight))).all()
    is_exact = sum(count for _, _, count in rows) <= COUNTED_DUE
    return DueCounts({name: count for name, count, _ in rows if count}, is_exact)


_names = func.unnest(bindparam("names", type_=ARRAY(Text))).table_valued(column("name", Text)).render_derived()
_unreceived = (
    select(func.greatest(tasks.c.created_at, tasks.c.scheduled_at).label("at"))
    .where(
        tasks.c.queue_name == _names.c.name,
        tasks.c.phase == literal(Phase.QUEUED.value, literal_execute=True),
        tasks.c.submitted_here,
        tasks.c.attempt_count == literal(0, Integer, literal_execute=True),
    )
    .order_by(tasks.c.dispatched_at)
    .limit(1)
    .lateral("unreceived")
)
_oldest = select(_names.c.name, _unreceived.c.at).select_from(_names.join(_unreceived, true()))


async def list_oldest_waiting(connection: AsyncConnection, names: Collection[str]) -> dict[str, datetime]:
    """Return since when the task of ours is due that was handed to each queue first and is not received (index
    tasks_unreceived): what was held back has waited since it was due.
    """
    rows = await connection.execute(_oldest, {"names": list(names)})
    return {row.name: row.at for row in rows if row.at is not None}


@dataclass(frozen=True, slots=True)
class ConsumerCounts:
    """Workers that are online and consume a queue."""

    online: int = 0
    active: int = 0
    """How many of them take tasks: the others are paused or draining."""


_consumed = (
    select(func.unnest(workers.c.queues).label("name"), (~is_draining() & ~is_paused()).label("is_active"))
    .where(is_online())
    .subquery()
)
_counted_consumers = select(_consumed.c.name, func.count(), func.count().filter(_consumed.c.is_active)).group_by(
    _consumed.c.name
)


async def count_consumers(connection: AsyncConnection) -> dict[str, ConsumerCounts]:
    """Return how many workers consume each queue that any does; nodes not yet described are left out."""
    rows = await connection.execute(_counted_consumers)
    return {name: ConsumerCounts(online, active) for name, online, active in rows}


_listed_consumers = (
    select(*COLUMNS)
    .where(_consumers)
    .order_by(is_online().desc(), last_sign().desc().nulls_last(), workers.c.node)
    .limit(MAX_CONSUMERS)
)


async def list_consumers_of(connection: AsyncConnection, queue_name: str) -> list[WorkerRow]:
    """Return workers that consume the queue, or did when they were last there; those that are online first."""
    return [WorkerRow(*row) for row in await connection.execute(_listed_consumers, {"queue_name": queue_name})]
