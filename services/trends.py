"""Reading what happened in a window of time as the figures of `/analytics/trends`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.trends import ALL_TASKS, Chosen, Interval, Sums, SumsAndDurations, Window, peak_loads, sum_buckets, total
from store.queries import percentiles, trends

MAX_NAMES = 100
"""The most names, queues and errors that are told."""
EMPTY: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class Trends:
    """What happened in a window: in all, in each bucket, by task name, by queue, and which failures. `""` is an unknown
    name.
    """

    total: Sums
    series: Mapping[datetime, SumsAndDurations]
    by_task: Mapping[str, SumsAndDurations]
    by_queue: Mapping[str, SumsAndDurations]
    failures: Mapping[str, int]
    peak_loads: list[str]
    chosen: Chosen = ALL_TASKS

    @property
    def has_medians(self) -> bool:
        """Whether the histograms of the series are whole: of all tasks they are true in their 95th percentile alone."""
        return self.chosen.is_bounded


async def read_trends(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen = ALL_TASKS
) -> Trends:
    """Return all figures of the window, in the one snapshot of the connection's transaction."""
    hours = await trends.sum_by_hour(connection, window, chosen=chosen)
    by_minute = interval is Interval.MINUTELY
    starts = await trends.sum_by_minute(connection, window, chosen=chosen) if by_minute else hours
    durations = await _read_durations(connection, window, interval=interval, chosen=chosen)
    named = await trends.sum_by_kind(connection, window, limit=MAX_NAMES, chosen=chosen)
    buckets = sum_buckets(starts, window, interval=interval)
    return Trends(
        total=total(hours.values()),
        series={start: SumsAndDurations(sums, durations.get(start, EMPTY)) for start, sums in buckets.items()},
        by_task=named["task_name"],
        by_queue=named["queue_name"],
        failures={error: counted.sums.failed for error, counted in named["error"].items()},
        peak_loads=peak_loads(hours),
        chosen=chosen,
    )


async def _read_durations(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen
) -> Mapping[datetime, Mapping[int, int]]:
    """Return histograms of the buckets of the series; those of all tasks are true in their 95th percentile alone."""
    if chosen.is_bounded:
        return await trends.count_durations_by_interval(connection, window, interval=interval, chosen=chosen)
    return await percentiles.find_p95s(connection, window, interval=interval)
