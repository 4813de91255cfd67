"""What open pages are told of the whole: read once for all of them, however many there are."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.degradation import BlockedWork
from domain.live import Topic
from domain.rollups import Measure
from domain.workers.figures import RATE_WINDOW, Ends
from services.dashboard import MAX_QUEUES
from store.queries import for_dashboard, for_live
from store.queries.held import count_held_back
from store.queries.mirror import get_state

HELD_SECONDS = 5.0
"""How long a count of what is held back is told: of 10,000 it took 30 ms on a busy machine."""


@dataclass(frozen=True, slots=True)
class FleetReading:
    """What Postgres tells of the whole at one moment."""

    totals: Mapping[Measure, int]
    due: int
    held: int
    """The part of them that marks hold back."""
    running: int
    mean_wait_seconds: float | None
    ends: Ends
    """What has ended within the last minute."""
    workers: Mapping[str, int]
    alerts: Mapping[str, int]
    mirror_lag_seconds: float | None
    queue_names: tuple[str, ...]
    marks: Mapping[Topic, object]
    """What is another one than before when a topic has changed; the queues' has what the broker tells besides."""


class HeldCount:
    """Counts what marks hold back: whenever other marks do, and else every 5 s, for it looks at up to 10,000 tasks."""

    def __init__(self) -> None:
        self._blocked = BlockedWork()
        self._counted_at = 0.0
        self._count = 0

    async def read(self, connection: AsyncConnection, blocked: BlockedWork) -> int:
        """Return how many tasks are held back, of those that are due longest."""
        if blocked != self._blocked or time.monotonic() - self._counted_at >= HELD_SECONDS:
            self._count = await count_held_back(connection, blocked)
            self._blocked, self._counted_at = blocked, time.monotonic()
        return self._count


async def read_fleet(
    connection: AsyncConnection, *, default_queue: str, blocked: BlockedWork, holds: HeldCount
) -> FleetReading:
    """Return everything but the broker's part; eight short statements, of which none grows with the ended tasks, and
    one more every 5 s while marks hold work back.
    """
    totals = await for_dashboard.count_totals(connection)
    due, parked = await for_dashboard.count_undispatched(connection)
    held = await holds.read(connection, blocked)
    figures = await for_live.get_figures(connection)
    workers, alerts = await for_live.count_workers(connection), await for_live.count_alerts(connection)
    names = await for_dashboard.list_queue_names(connection, limit=MAX_QUEUES)
    counted = (*totals.values(), due, held, figures.running)
    return FleetReading(
        totals=totals,
        due=due,
        held=held,
        running=figures.running,
        mean_wait_seconds=figures.mean_wait_seconds,
        ends=await for_dashboard.count_ends(connection, window=RATE_WINDOW),
        workers=workers.counts,
        alerts=alerts.counts,
        mirror_lag_seconds=(await get_state(connection)).lag_seconds,
        queue_names=tuple(sorted({default_queue, *names})),
        marks={
            Topic.TASKS: counted,
            Topic.WORKERS: workers.mark,
            Topic.ALERTS: alerts.mark,
            Topic.QUEUES: (parked, *names),
            Topic.WORKFLOWS: _mark_of_workflows(figures, counted),
        },
    )


def _mark_of_workflows(
    figures: for_live.LiveFigures, counted: tuple[int, ...]
) -> tuple[datetime | None, bool, tuple[int, ...]]:
    """A workflow goes on with its tasks: while one is not finished, whatever changes a task may change it."""
    has_unfinished = figures.has_unfinished_workflows
    return figures.newest_workflow_at, has_unfinished, counted if has_unfinished else ()
