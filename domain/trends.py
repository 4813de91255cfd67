"""Makes of summed-up counts the figures of `/analytics/trends` (docs/rest-contract.md).

No figure is made up: where nothing was counted that it could be computed from, it is None.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from operator import attrgetter

from domain.histograms import percentile
from domain.sight import UNLIMITED, Limits

PEAKS = 5
MAX_HOURS = 2160
"""The longest window: so long are the sums kept."""
MAX_HOURS_BY_MINUTE = 24
# Times are measured in microseconds and percentages need no more either.
DECIMALS = 6


class Interval(StrEnum):
    """How long a bucket of the series is."""

    MINUTELY = "minutely"
    HOURLY = "hourly"
    DAILY = "daily"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]

    @property
    def longest_hours(self) -> int:
        """Return how many hours of such buckets a series may have at most."""
        return MAX_HOURS_BY_MINUTE if self is Interval.MINUTELY else MAX_HOURS

    def start_of(self, at: datetime) -> datetime:
        """Start of the bucket that this time lies in: a whole minute, a whole hour or midnight, UTC."""
        minute = at.astimezone(UTC).replace(second=0, microsecond=0)
        if self is Interval.MINUTELY:
            return minute
        return minute.replace(minute=0) if self is Interval.HOURLY else minute.replace(hour=0, minute=0)


_LENGTHS = {
    Interval.MINUTELY: timedelta(minutes=1),
    Interval.HOURLY: timedelta(hours=1),
    Interval.DAILY: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tasks of which counts are wanted. All that is given must hold."""

    task_name: str | None = None
    queue_name: str | None = None
    limits: Limits = UNLIMITED

    @property
    def is_bounded(self) -> bool:
        """Whether any task may be left out."""
        return self != ALL_TASKS


ALL_TASKS = Chosen()


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at; it begins with a whole minute and ends now."""

    since: datetime
    until: datetime

    @classmethod
    def of_last(cls, length: timedelta, *, now: datetime) -> "Window":
        """Return the window of this length that ends now; it begins with a whole minute."""
        return cls(since=now.replace(second=0, microsecond=0) - length, until=now)

    def buckets(self, interval: Interval) -> list[datetime]:
        """Starts of all buckets that it touches, oldest first; the first and the last may lie in it only in part."""
        first = interval.start_of(self.since)
        return [first + nth * interval.length for nth in range(1 + (self.until - first) // interval.length)]


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted, together."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    waits: int = 0
    """Tasks that started."""
    wait_microseconds: int = 0
    runs: int = 0
    """Ended tasks whose duration is known."""
    run_microseconds: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return total((self, other))

    @property
    def completion_rate(self) -> float | None:
        """Percent of the completed among the completed and failed."""
        return percentage(self.completed, self.completed + self.failed)

    @property
    def average_wait_seconds(self) -> float | None:
        """Return how long tasks waited on average; None where none did."""
        return _average(self.wait_microseconds, self.waits)

    @property
    def average_duration_seconds(self) -> float | None:
        """Return how long tasks ran on average; None where none did."""
        return _average(self.run_microseconds, self.runs)


_figures: Callable[[Sums], tuple[int, ...]] = attrgetter(*Sums.__slots__)
NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class SumsAndDurations:
    """Sums, and the histogram of the durations that belong to them."""

    sums: Sums
    durations: Mapping[int, int]


def sum_buckets(hours: Mapping[datetime, Sums], window: Window, *, interval: Interval) -> dict[datetime, Sums]:
    """The sums of every bucket of the window, also of those in which nothing happened, oldest first."""
    by_bucket = dict.fromkeys(window.buckets(interval), NOTHING)
    for hour, sums in hours.items():
        start = interval.start_of(hour)
        by_bucket[start] = sums if by_bucket[start] is NOTHING else by_bucket[start] + sums
    return by_bucket


def peak_loads(hours: Mapping[datetime, Sums]) -> list[str]:
    """The hours of the day (UTC) in which most tasks were submitted, busiest first, at most 5, ties by time."""
    load: Counter[time] = Counter()
    for hour, sums in hours.items():
        load[hour.time()] += sums.submitted
    busy = [start for start, submitted in load.items() if submitted > 0]
    return [f"{start:%H:%M}" for start in sorted(busy, key=lambda start: (-load[start], start))[:PEAKS]]


def percentile_seconds(sums: Sums, histogram: Mapping[int, int], *, percent: float) -> float | None:
    """Return a percentile of run durations, accurate to 5 %, and of one run exact; None where none is known.

    The longest run is no shorter than their mean and the shortest no longer, which the histogram alone does not know.
    """
    found = percentile(histogram, percent) if sums.runs > 0 else None
    if found is None:
        return None
    mean = sums.run_microseconds / sums.runs / 1e6
    rank = math.ceil(sums.runs * percent / 100)
    if rank == sums.runs:
        found = max(found, mean)
    if rank == 1:
        found = min(found, mean)
    return round(found, DECIMALS)


def percentage(part: int, whole: int) -> float | None:
    """Return the percentage, or None when `whole` is 0."""
    return round(100 * part / whole, DECIMALS) if whole > 0 else None


def total(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    figures = list(map(_figures, sums))
    return Sums(*map(sum, zip(*figures, strict=True))) if figures else NOTHING


def _average(microseconds: int, count: int) -> float | None:
    return round(microseconds / count / 1e6, DECIMALS) if count > 0 else None
