"""The nodes that take messages from queues, and the tasks they know, as they described themselves."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Interval, Row, and_, bindparam, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.rules import AlertType
from domain.broker_options import BrokerOptions
from domain.consumers import Consumer, Consumers
from domain.workers.status import KNOWN_WITHIN
from store.look import text_of
from store.queries.alerts import open_description
from store.queries.workers.nodes import is_online, last_sign
from store.tables.workers import registered_tasks, workers

SAYS_WITHIN = timedelta(seconds=15)
"""How long a node that is there takes at most to answer."""

_is_described = and_(
    workers.c.described_at.is_not(None),
    or_(~is_online(), workers.c.described_pid.is_not_distinct_from(workers.c.pid)),
    or_(~is_online(), workers.c.online_at.is_(None), workers.c.described_at >= workers.c.online_at),
)
_consumers = select(
    workers.c.node,
    is_online().label("online"),
    _is_described.label("described"),
    workers.c.queues,
    workers.c.pool,
    workers.c.plugin,
    workers.c.capabilities,
    workers.c.broker_options,
    (func.greatest(workers.c.first_seen_at, workers.c.online_at) < func.now() - literal(SAYS_WITHIN)).label("late"),
    workers.c.kept,
    last_sign().label("heard_at"),
    workers.c.online_at,
).where(
    last_sign() > func.now() - bindparam("known_within", KNOWN_WITHIN, type_=Interval),
    or_(is_online(), workers.c.described_at.is_not(None)),
)


last_told = (
    select(func.count()).where(is_online()).scalar_subquery(),
    select(func.max(workers.c.described_at)).scalar_subquery(),
)
"""How many nodes are online, and when one last described itself."""


_differing = open_description(AlertType.BROKER_OPTIONS_DIFFER, "global_keyprefix").scalar_subquery()
LAST_TOLD = text_of(select(*last_told, _differing))
"""The statement that tells whether what workers can hold a submission to may have changed."""


async def get_consumers(connection: AsyncConnection) -> Consumers:
    """Return all nodes that take messages or may come back to do so. They number in the thousands at most."""
    return Consumers([_consumer(row) for row in await connection.execute(_consumers)])


_retry_limits = (
    select(registered_tasks.c.task_name, func.min(registered_tasks.c.max_retries).label("max_retries"))
    .where(
        registered_tasks.c.seen_at > func.now() - bindparam("known_within", KNOWN_WITHIN, type_=Interval),
        registered_tasks.c.max_retries.is_not(None),
    )
    .group_by(registered_tasks.c.task_name)
)


async def get_retry_limits(connection: AsyncConnection) -> dict[str, int]:
    """Map each task name to the `max_retries` of its own; the lowest, where workers have different ones."""
    return {row.task_name: row.max_retries for row in await connection.execute(_retry_limits)}


def _consumer(row: Row[Any]) -> Consumer:
    """Make a consumer of a row; where a node has not said what it is now, what it was before counts for nothing."""
    if not row.described:
        return Consumer(
            node=row.node,
            online=row.online,
            queues=None,
            is_late=bool(row.late),
            heard_at=row.heard_at,
        )
    return Consumer(
        node=row.node,
        online=row.online,
        queues=frozenset(row.queues or ()),
        pool=row.pool,
        plugin=row.plugin,
        capabilities=frozenset(row.capabilities or ()),
        options=_options(row.broker_options),
        is_late=True,
        streamed=row.kept,
        heard_at=row.heard_at,
        online_at=row.online_at,
    )


def _options(stored: dict[str, Any] | None) -> BrokerOptions | None:
    if stored is None:
        return None
    steps = stored["priority_steps"]
    return BrokerOptions(**stored | {"priority_steps": None if steps is None else tuple(steps)})


_last_stranger = select(func.max(last_sign())).where(~is_online(), workers.c.described_at.is_(None))


async def get_last_stranger(connection: AsyncConnection) -> datetime | None:
    """Return when a node was last heard that is gone and never said what it is; None if there is none."""
    heard_at: datetime | None = (await connection.execute(_last_stranger)).scalar_one()
    return heard_at
