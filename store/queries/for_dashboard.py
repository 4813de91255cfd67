"""What the system as a whole is at this moment: totals, queues, and what nodes have ended lately."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Interval, Select, Text, bindparam, func, literal, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import ENDS, SLOT_SECONDS, Measure
from domain.sight import EVERYTHING, Sight
from domain.states import Phase, Status
from domain.workers.figures import Ends
from store.queries.outbox import is_calm, is_refused
from store.queries.sight import KEPT, seen
from store.queries.workers.nodes import is_online
from store.tables.rollups import rollup_deltas, rollup_nodes, rollup_totals
from store.tables.tasks import outbox, tasks
from store.tables.workers import workers

_counted = union_all(
    select(rollup_totals.c.measure, rollup_totals.c.count), select(rollup_deltas.c.measure, rollup_deltas.c.count)
).subquery("counted")
_totals = select(_counted.c.measure, func.sum(_counted.c.count)).group_by(_counted.c.measure)


async def count_totals(connection: AsyncConnection) -> dict[Measure, int]:
    """Return how many tasks were ever submitted, started, completed, failed, cancelled; retention takes
    nothing away."""
    totals = dict.fromkeys(Measure, 0)
    for measure, count in await connection.execute(_totals):
        totals[Measure(measure)] = int(count)
    return totals


_undispatched = select(
    select(func.count()).select_from(outbox).where(outbox.c.due_at <= func.now(), is_calm).scalar_subquery(),
    select(func.count()).select_from(outbox).where(is_refused).scalar_subquery(),
    select(func.count()).select_from(outbox).where(is_refused, outbox.c.parked_at.is_not(None)).scalar_subquery(),
)


async def count_undispatched(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many tasks are due and not yet handed to the broker, and how many of them are parked.

    What the broker has refused is due, whenever it is offered again (indexes outbox_due, outbox_refused).
    """
    due, refused, parked = (await connection.execute(_undispatched)).one()
    return int(due) + int(refused), int(parked)


# From one queue name to the next along the index: DISTINCT would read all of it.
_named = select(func.min(tasks.c.queue_name).label("name")).cte("named", recursive=True)
_next = select(func.min(tasks.c.queue_name)).where(tasks.c.queue_name > _named.c.name).scalar_subquery()
_named = _named.union_all(select(_next).where(_named.c.name.is_not(None)))
_used = select(_named.c.name).where(_named.c.name.is_not(None)).limit(bindparam("limit", type_=Integer))
_consumed = select(func.unnest(workers.c.queues)).where(is_online())
_names = union(select(_used.subquery().c.name), _consumed)


async def list_queue_names(connection: AsyncConnection, *, limit: int) -> list[str]:
    """Return up to `limit` queues that tasks name (index tasks_queue), and those that online workers consume."""
    return sorted(name for (name,) in await connection.execute(_names, {"limit": limit}))


@lru_cache(maxsize=KEPT)
def _held(sight: Sight) -> Select[Any]:
    phases = (literal(phase.value, literal_execute=True) for phase in (Phase.RESERVED, Phase.RUNNING))
    return (
        select(tasks.c.queue_name, func.count().label("tasks"))
        .where(tasks.c.phase.in_(phases), tasks.c.queue_name.is_not(None), *seen(sight))
        .group_by(tasks.c.queue_name)
    )


async def count_held(connection: AsyncConnection, *, sight: Sight = EVERYTHING) -> dict[str, int]:
    """Count by queue the tasks that workers have received and not finished (index tasks_held)."""
    return {row.queue_name: row.tasks for row in await connection.execute(_held(sight))}


_queued = (
    select(tasks.c.queue_name, func.count().label("tasks"))
    .where(tasks.c.status == Status.PENDING.value, tasks.c.phase == Phase.QUEUED.value)
    .where(tasks.c.queue_name.is_not(None))
    .group_by(tasks.c.queue_name)
)


async def count_queued(connection: AsyncConnection) -> dict[str, int]:
    """Count by queue the tasks that were handed to the broker and not heard of since.

    Reads every pending task (index tasks_status), so only for when the broker itself cannot be asked.
    """
    return {row.queue_name: row.tasks for row in await connection.execute(_queued)}


# By the middle of a slot: so each window is as long as another, to 5 s.
_since = func.now() - bindparam("window", type_=Interval) - literal(timedelta(seconds=SLOT_SECONDS / 2))
_ended = union_all(
    select(rollup_nodes.c.node, rollup_nodes.c.measure, rollup_nodes.c.count).where(rollup_nodes.c.starts_at > _since),
    select(rollup_deltas.c.node, rollup_deltas.c.measure, rollup_deltas.c.count).where(
        rollup_deltas.c.starts_at > _since,
        rollup_deltas.c.node != literal("", Text),
        rollup_deltas.c.measure.in_([measure.value for measure in ENDS]),
    ),
).subquery("ended")
_by_node = select(_ended.c.node, _ended.c.measure, func.sum(_ended.c.count)).group_by(_ended.c.node, _ended.c.measure)


_by_measure = select(_ended.c.measure, func.sum(_ended.c.count)).group_by(_ended.c.measure)


async def count_ends(connection: AsyncConnection, *, window: timedelta) -> Ends:
    """Return what all nodes together have ended in this time, to 10 s (primary key of rollup_nodes)."""
    counts = {measure: int(count) for measure, count in await connection.execute(_by_measure, {"window": window})}
    return _ends_of(counts)


async def count_ends_by_node(connection: AsyncConnection, *, window: timedelta) -> dict[str, Ends]:
    """Return what each node has ended in this time, to 10 s (primary key of rollup_nodes)."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for node, measure, count in await connection.execute(_by_node, {"window": window}):
        counts[node][measure] = int(count)
    return {node: _ends_of(counts_of_node) for node, counts_of_node in counts.items()}


def _ends_of(counts: Mapping[str, int]) -> Ends:
    return Ends(*(counts.get(field.name, 0) for field in fields(Ends)))
