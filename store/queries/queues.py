"""Queues, as tasks name them and workers consume them."""

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import Interval, Text, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase, Status
from store.queries.workers.nodes import is_draining, is_online
from store.tables.tasks import tasks
from store.tables.workers import registered_tasks, workers

# The sweep looks at every waiting task at least this often, so each of them was touched within it.
RECENT = timedelta(seconds=20)

_consumed = select(func.unnest(workers.c.queues)).where(is_online())
_unserved = (
    select(tasks.c.queue_name, workers.c.node)
    .join(registered_tasks, registered_tasks.c.task_name == tasks.c.task_name)
    .join(workers, workers.c.node == registered_tasks.c.node)
    .where(
        tasks.c.status == Status.PENDING.value,
        tasks.c.phase == Phase.QUEUED.value,
        tasks.c.submitted_here,
        tasks.c.checked_at > func.now() - bindparam("recent", RECENT, type_=Interval),
        tasks.c.queue_name.not_in(_consumed),
        is_online(),
        workers.c.plugin.is_not(None),
        workers.c.want_paused.is_not(True),
        workers.c.is_paused.is_not(True),
        ~is_draining(),
    )
    .distinct()
)


any_unserved = _unserved.exists()
"""Whether `list_unserved` finds any."""


async def list_unserved(connection: AsyncConnection) -> dict[str, list[str]]:
    """Queues in which tasks wait and that no online worker consumes -> our online workers that know these tasks.

    Only workers with our plugin that are not held back count: a foreign worker's queues are its owner's
    (index tasks_unfinished).
    """
    nodes_by_queue: dict[str, list[str]] = defaultdict(list)
    for row in await connection.execute(_unserved):
        nodes_by_queue[row.queue_name].append(row.node)
    return nodes_by_queue


_takers = _unserved.where(tasks.c.queue_name == bindparam("queue_name"))


async def list_takers(connection: AsyncConnection, queue_name: str) -> list[str]:
    """Return the same workers for one queue: nobody consumes it, and they know what waits in it
    (index tasks_unfinished).
    """
    return sorted(row.node for row in await connection.execute(_takers, {"queue_name": queue_name}))


_each = func.jsonb_each(workers.c.taken_on).table_valued("key", "value")
_still_taken_on = (
    select(func.jsonb_object_agg(_each.c.key, _each.c.value))
    .where(_each.c.key == func.any(workers.c.queues))
    .correlate(workers)
    .scalar_subquery()
)
_nothing = literal({}, JSONB)


async def add_to_described(connection: AsyncConnection, queue_name: str, *, nodes: list[str]) -> None:
    """Note that these nodes consume the queue now, until they are next asked, and that they took it on. Of what they
    took on before, only what they consume still is kept.
    """
    await connection.execute(
        workers.update()
        .where(workers.c.node.in_(nodes), workers.c.queues.is_not(None))
        .values(
            queues=func.array_append(workers.c.queues, queue_name),
            consuming=func.array_append(workers.c.consuming, queue_name),
            taken_on=func.coalesce(_still_taken_on, _nothing).concat(
                func.jsonb_build_object(cast(queue_name, Text), func.now(), type_=JSONB)
            ),
        )
    )
