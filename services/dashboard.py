"""What `/dashboard/stats` tells: what Postgres knows, then how long the broker says its queues are."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import BrokerUnavailable
from domain.rollups import Measure
from gateway.ports import ReadsQueues
from store.queries import for_dashboard
from store.queries.workers import nodes

MAX_QUEUES = 1_000
# A broker that is there answers within milliseconds; one that is frozen must not hold up a for_dashboard.
BROKER_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DashboardFigures:
    """What Postgres knows of the whole system."""

    totals: Mapping[Measure, int]
    active_workers: int
    total_workers: int
    due: int
    """How many tasks are due and not yet handed to the broker."""
    parked: int
    """How many of the due tasks the broker refuses again and again."""
    queue_names: Sequence[str]
    with_workers: Mapping[str, int]
    """How many tasks workers hold, by queue."""


async def read_figures(connection: AsyncConnection, *, default_queue: str) -> DashboardFigures:
    """Return everything but the broker's part, in one snapshot."""
    total_workers, active_workers = await nodes.count_workers(connection)
    due, parked = await for_dashboard.count_undispatched(connection)
    names = await for_dashboard.list_queue_names(connection, limit=MAX_QUEUES)
    return DashboardFigures(
        totals=await for_dashboard.count_totals(connection),
        active_workers=active_workers,
        total_workers=total_workers,
        due=due,
        parked=parked,
        queue_names=sorted({default_queue, *names}),
        with_workers=await for_dashboard.count_held(connection),
    )


async def ask_depths(
    queues: ReadsQueues, names: Collection[str], *, limit_seconds: float = BROKER_SECONDS
) -> Mapping[str, int] | None:
    """Return how many messages wait in each queue; None if the broker does not say so now. Holds no connection to
    Postgres.
    """
    try:
        async with asyncio.timeout(limit_seconds):
            return await queues.depths(names)
    except (BrokerUnavailable, TimeoutError) as error:
        log.warning("queue_depths_not_read", error=type(error).__name__)
        return None
