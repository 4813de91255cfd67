"""Reading what happened in a window of time as the figures of `/analytics/trends`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.trends import ALL_TASKS, Chosen, Interval, Sums, Window, peak_loads, sum_buckets, total
from store.queries import percentiles, trends

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
    durations = await _read_durations(connection, window, interval=interval, chosen=chosen)
    sums = {
        name: await trends.sum_by_name(connection, window, name=name, limit=MAX_NAMES, chosen=chosen)
        for name in trends.NAMES
    }
    names = {name: list(found) for name, found in sums.items()}
    named = await trends.count_durations_by_name(connection, window, names=names, chosen=chosen)
    buckets = sum_buckets(starts, window, interval=interval)
    return Trends(
        total=total(hours.values()),
        series={start: SumsAndDurations(sums, durations.get(start, EMPTY)) for start, sums in buckets.items()},
        by_task=_join(sums["task_name"], named["task_name"]),
        by_queue=_join(sums["queue_name"], named["queue_name"]),
        failures=await trends.count_failures(connection, window, limit=MAX_ERRORS, chosen=chosen),
        peak_loads=peak_loads(hours),
    )


async def _read_durations(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen
) -> Mapping[datetime, Mapping[int, int]]:
    """Return histograms of the buckets of the series, which need to be true in their 95th percentile alone."""
    if chosen.is_bounded:
        return await trends.count_durations_by_interval(connection, window, interval=interval, chosen=chosen)
    return await percentiles.find_p95s(connection, window, interval=interval)


def _join(sums: Mapping[str, Sums], durations: Mapping[str, Mapping[int, int]]) -> dict[str, SumsAndDurations]:
    """Keep the order, busiest first; `""` is an unknown name."""
    return {key: SumsAndDurations(sums[key], durations.get(key, EMPTY)) for key in sums}
