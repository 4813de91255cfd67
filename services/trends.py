"""Reading what happened in a window of time as the figures of `/analytics/trends`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.trends import ALL_TASKS, Chosen, Interval, Sums, Window, peak_loads, sum_buckets, total
from store.queries import trends
from store.queries.trends import Name

MAX_NAMES = 100
MAX_ERRORS = 100
EMPTY: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class SumsAndDurations:
    """Sums, and the histogram of the durations that belong to them."""

    sums: Sums
    durations: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Trends:
    """What happened in a window: in all, in each bucket, by task name, by queue, and which failures."""

    total: Sums
    series: Mapping[datetime, SumsAndDurations]
    by_task: Mapping[str, SumsAndDurations]
    by_queue: Mapping[str, SumsAndDurations]
    failures: Mapping[str, int]
    peak_loads: list[str]


async def read_trends(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen = ALL_TASKS
) -> Trends:
    """Return all figures of the window, in the one snapshot of the connection's transaction."""
    hours = await trends.sum_by_hour(connection, window, chosen=chosen)
    by_minute = interval is Interval.MINUTELY
    starts = await trends.sum_by_minute(connection, window, chosen=chosen) if by_minute else hours
    durations = await trends.count_durations_by_interval(connection, window, interval=interval, chosen=chosen)
    buckets = sum_buckets(starts, window, interval=interval)
    return Trends(
        total=total(hours.values()),
        series={start: SumsAndDurations(sums, durations.get(start, EMPTY)) for start, sums in buckets.items()},
        by_task=await read_by_name(connection, window, name="task_name", chosen=chosen),
        by_queue=await read_by_name(connection, window, name="queue_name", chosen=chosen),
        failures=await trends.count_failures(connection, window, limit=MAX_ERRORS, chosen=chosen),
        peak_loads=peak_loads(hours),
    )


async def read_by_name(
    connection: AsyncConnection, window: Window, *, name: Name, chosen: Chosen = ALL_TASKS, limit: int = MAX_NAMES
) -> dict[str, SumsAndDurations]:
    """Return the figures of the busiest task names or queues, busiest first; `""` is an unknown name."""
    sums = await trends.sum_by_name(connection, window, name=name, limit=limit, chosen=chosen)
    durations = await trends.count_durations_by_name(connection, window, name=name, names=list(sums), chosen=chosen)
    return {key: SumsAndDurations(sums[key], durations.get(key, EMPTY)) for key in sums}
