"""What stands beside a list of tasks: its histogram, and names that a few letters may mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facets import is_counted, rank, span_of, start_of, step_of, sum_by_step
from domain.filters import TaskFilter
from domain.sight import Sight
from domain.trends import Chosen, Sums, Window, total
from domain.workers.status import KNOWN_WITHIN, hostname
from store.queries.tasks.facets import count_creations
from store.queries.tasks.names import list_known_task_names
from store.queries.trends import count_failures, sum_by_hour, sum_by_minute, sum_by_name
from store.queries.workers.nodes import list_workers

SUGGESTED_WITHIN = timedelta(days=7)
MAX_NAMES = 1_000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many tasks were made and have ended in each bucket."""

    since: datetime
    until: datetime
    step: timedelta
    is_from_rollups: bool
    total: int
    is_exact: bool
    counted_since: datetime | None
    """The time before which nothing was counted; None where all was."""
    sums: Mapping[datetime, Sums]


async def read_histogram(connection: AsyncConnection, filters: TaskFilter, *, buckets: int, now: datetime) -> Histogram:
    """Return the histogram of the tasks that match, over the times of creation that the filter has (`span_of`)."""
    since, until = span_of(filters, now=now)
    step = step_of(until - since, buckets=buckets)
    if is_counted(filters):
        return await _from_rollups(connection, filters, since=since, until=until, step=step)
    found = await count_creations(connection, replace(filters, created_after=since, created_before=until))
    return Histogram(
        since=since,
        until=until,
        step=step,
        is_from_rollups=False,
        total=found.total,
        is_exact=found.is_exact,
        counted_since=found.counted_since,
        sums=sum_by_step(found.sums, since=since, until=until, step=step),
    )


async def _from_rollups(
    connection: AsyncConnection, filters: TaskFilter, *, since: datetime, until: datetime, step: timedelta
) -> Histogram:
    chosen = Chosen(filters.task_name, filters.queue_name, filters.sight.limits)
    # What begins with the end is not of it.
    window = Window(since=start_of(since, step=step), until=until - timedelta.resolution)
    counted = await (sum_by_hour if step >= _HOUR else sum_by_minute)(connection, window, chosen=chosen)
    return Histogram(
        since=since,
        until=until,
        step=step,
        is_from_rollups=True,
        total=total(counted.values()).submitted,
        is_exact=True,
        counted_since=None,
        sums=sum_by_step(counted, since=since, until=until, step=step),
    )


class Suggested(StrEnum):
    """What names are suggested of."""

    TASK_NAME = "task_name"
    QUEUE_NAME = "queue_name"
    WORKER = "worker"
    ERROR = "error"


async def suggest(
    connection: AsyncConnection, field: Suggested, *, prefix: str, limit: int, now: datetime, sight: Sight
) -> list[str]:
    """Return what these letters may mean, of the last 7 days, the most frequent first."""
    return rank(await _names(connection, field, now=now, sight=sight), prefix, limit=limit)


async def _names(connection: AsyncConnection, field: Suggested, *, now: datetime, sight: Sight) -> list[str]:
    window, chosen = Window.of_last(SUGGESTED_WITHIN, now=now), Chosen(limits=sight.limits)
    if field is Suggested.WORKER:
        # Which workers there are is told to keys without limits only.
        rows = [] if sight.is_bounded else (await list_workers(connection, limit=MAX_NAMES, offset=0))[1]
        return [hostname(row.node) for row in sorted(rows, key=lambda row: not row.online)]
    if field is Suggested.ERROR:
        return list(await count_failures(connection, window, limit=MAX_NAMES, chosen=chosen))
    if field is Suggested.QUEUE_NAME:
        return _named(await sum_by_name(connection, window, name="queue_name", limit=MAX_NAMES, chosen=chosen))
    counted = _named(await sum_by_name(connection, window, name="task_name", limit=MAX_NAMES, chosen=chosen))
    known = await list_known_task_names(connection, max_age=KNOWN_WITHIN, limit=MAX_NAMES)
    return [*counted, *sorted(filter(sight.limits.may_name, known))]


def _named(sums: Mapping[str, Sums]) -> list[str]:
    return [name for name in sums if name]
