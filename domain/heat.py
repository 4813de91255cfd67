"""Durations over time as a heat map: the fine buckets of the histograms, brought to some twenty wide ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.histograms import GROWTH
from domain.trends import Interval, Window

TOGETHER = 8
"""How many fine buckets are one wide one: each is 2.14 times as wide as the one before."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How many runs of each bucket of time had a duration of each bucket of durations."""

    upper_seconds: list[float]
    """The longest duration of each bucket, ascending."""
    rows: dict[datetime, list[int]]
    """The counts of every bucket of the window, by its start, oldest first."""


def heat_map(histograms: Mapping[datetime, Mapping[int, int]], window: Window, *, interval: Interval) -> HeatMap:
    """Return the map of these histograms; it has no column beyond the shortest and the longest duration."""
    wide = {at: _widened(histogram) for at, histogram in histograms.items()}
    used = [bucket for counts in wide.values() for bucket, count in counts.items() if count > 0]
    columns = range(min(used), max(used) + 1) if used else range(0)
    rows = {at: [max(0, wide.get(at, {}).get(column, 0)) for column in columns] for at in window.buckets(interval)}
    return HeatMap([_upper_seconds(column) for column in columns], rows)


def _widened(histogram: Mapping[int, int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for bucket, count in histogram.items():
        wide = -(-bucket // TOGETHER)
        counts[wide] = counts.get(wide, 0) + count
    return counts


def _upper_seconds(wide: int) -> float:
    """Return the upper end of a wide bucket; 0 holds nothing but 0."""
    return round(GROWTH ** (wide * TOGETHER - 1) / 1e6, 6) if wide > 0 else 0.0
