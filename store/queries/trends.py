"""What happened in a window of time, read from the roll-ups alone: folded sums and deltas not yet folded.

The series comes from the sums by the hour of all tasks together. The names come from the sums by the day; the hours
before the first midnight, and the minutes of the hour in which the window begins, are added to both from finer sums.
`rollup_minutes` has no histograms: the percentiles of that first hour are those of the whole hour.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import ENDS, Measure
from domain.trends import Interval, Sums, Window
from store.tables.base import Time
from store.tables.rollups import (
    rollup_day_histograms,
    rollup_days,
    rollup_deltas,
    rollup_histograms,
    rollup_hour_histograms,
    rollup_hour_totals,
    rollup_hours,
    rollup_minutes,
)

Name = Literal["task_name", "queue_name"]

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_since, _until = bindparam("since", type_=Time), bindparam("until", type_=Time)
_first_hour, _whole_hours = bindparam("first_hour", type_=Time), bindparam("whole_hours", type_=Time)
_whole_days = bindparam("whole_days", type_=Time)
_NAMES = ("task_name", "queue_name")
_KEYS = (*_NAMES, "measure", "error")
_SUMMED = ("count", "timed", "microseconds")
_ends = [measure.value for measure in ENDS]
_delta = rollup_deltas.c
_is_end = _delta.measure.in_(_ends)


def _within(starts_at: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
    """The window ends now: what it ends in is taken whole, since nothing has happened after it."""
    return and_(starts_at >= since, starts_at <= _until)


def _unfolded(*keys: str) -> Select[Any]:
    hour = func.date_trunc("hour", _delta.starts_at).label("starts_at")
    timed = (func.num_nonnulls(_delta.bucket) * _delta.count).label("timed")
    cells = (hour, *(_delta[key] for key in keys), _delta.count, timed, _delta.microseconds)
    return select(*cells).where(_within(_delta.starts_at, _since))


def _of_minutes(*keys: str) -> Select[Any]:
    """Select the minutes of the hour that the window begins within."""
    minute = rollup_minutes.c
    hour = func.date_trunc("hour", minute.starts_at).label("starts_at")
    cells = (hour, *(minute[key] for key in (*keys, *_SUMMED)))
    return select(*cells).where(_within(minute.starts_at, _since), minute.starts_at < _whole_hours)


def _of(table: Table, *keys: str) -> Select[Any]:
    return select(*(table.c[name] for name in ("starts_at", *keys)))


_together = union_all(
    _of(rollup_hour_totals, "measure", *_SUMMED).where(_within(rollup_hour_totals.c.starts_at, _whole_hours)),
    _of_minutes("measure"),
    _unfolded("measure"),
).subquery("together")
_counted = union_all(
    _of(rollup_days, *_KEYS, *_SUMMED).where(_within(rollup_days.c.starts_at, _whole_days)),
    _of(rollup_hours, *_KEYS, *_SUMMED).where(
        _within(rollup_hours.c.starts_at, _whole_hours), rollup_hours.c.starts_at < _whole_days
    ),
    _of_minutes(*_KEYS),
    _unfolded(*_KEYS),
).subquery("counted")
_timed_together = union_all(
    _of(rollup_hour_histograms, "bucket", "count").where(_within(rollup_hour_histograms.c.starts_at, _first_hour)),
    _of(rollup_deltas, "bucket", "count").where(
        _within(_delta.starts_at, _first_hour), _is_end, _delta.bucket.is_not(None)
    ),
).subquery("timed_together")
_timed = union_all(
    _of(rollup_day_histograms, *_NAMES, "bucket", "count").where(
        _within(rollup_day_histograms.c.starts_at, _whole_days)
    ),
    _of(rollup_histograms, *_NAMES, "bucket", "count").where(
        _within(rollup_histograms.c.starts_at, _first_hour),
        rollup_histograms.c.starts_at < _whole_days,
        rollup_histograms.c.measure.in_(_ends),
    ),
    _of(rollup_deltas, *_NAMES, "bucket", "count").where(
        _within(_delta.starts_at, _first_hour), _is_end, _delta.bucket.is_not(None)
    ),
).subquery("timed")


_SUMS: dict[str, tuple[str, Sequence[str]]] = {
    "submitted": ("count", [Measure.SUBMITTED.value]),
    "completed": ("count", [Measure.COMPLETED.value]),
    "failed": ("count", [Measure.FAILED.value]),
    "cancelled": ("count", [Measure.CANCELLED.value]),
    "waits": ("timed", [Measure.STARTED.value]),
    "wait_microseconds": ("microseconds", [Measure.STARTED.value]),
    "runs": ("timed", _ends),
    "run_microseconds": ("microseconds", _ends),
}
"""The column and the measures that each figure is the sum of."""


def _sums(rows: Subquery) -> Iterator[ColumnElement[Any]]:
    for field in fields(Sums):
        column, measures = _SUMS[field.name]
        yield func.coalesce(func.sum(rows.c[column]).filter(rows.c.measure.in_(measures)), 0)


_by_hour = select(_together.c.starts_at, *_sums(_together)).group_by(_together.c.starts_at)


async def sum_by_hour(connection: AsyncConnection, window: Window) -> dict[datetime, Sums]:
    """Return the sums of each hour in which anything happened (primary keys of the roll-ups, which begin with the
    time).
    """
    return {row[0]: _to_sums(row) for row in await connection.execute(_by_hour, _bounds(window))}


def _busiest(name: Name) -> Select[Any]:
    key = _counted.c[name]
    activity = func.sum(_counted.c.count).filter(_counted.c.measure != Measure.STARTED.value)
    return (
        select(key, *_sums(_counted))
        .group_by(key)
        .order_by(activity.desc().nulls_last(), key)
        .limit(bindparam("limit"))
    )


_by_name: dict[Name, Select[Any]] = {"task_name": _busiest("task_name"), "queue_name": _busiest("queue_name")}


async def sum_by_name(connection: AsyncConnection, window: Window, *, name: Name, limit: int) -> dict[str, Sums]:
    """Return the sums of the task names or queues in which most happened, busiest first; `""` is an unknown name."""
    rows = await connection.execute(_by_name[name], _bounds(window) | {"limit": limit})
    return {row[0]: _to_sums(row) for row in rows}


_failures = (
    select(_counted.c.error, func.sum(_counted.c.count))
    .where(_counted.c.measure == Measure.FAILED.value)
    .group_by(_counted.c.error)
    .having(func.sum(_counted.c.count) > 0)
    .order_by(func.sum(_counted.c.count).desc(), _counted.c.error)
    .limit(bindparam("limit"))
)


async def count_failures(connection: AsyncConnection, window: Window, *, limit: int) -> dict[str, int]:
    """Return how many tasks failed by each class of exception, the most frequent first."""
    rows = await connection.execute(_failures, _bounds(window) | {"limit": limit})
    return {error: int(count) for error, count in rows}


Histograms = dict[Any, dict[int, int]]


def _durations(rows: Subquery, key: ColumnElement[Any], *where: ColumnElement[bool]) -> Select[Any]:
    """One row for each key: tens of thousands of them would take longer to read than to count."""
    count = cast(func.sum(rows.c.count), BigInteger)
    counts = select(key.label("key"), rows.c.bucket, count.label("count")).where(*where).group_by(key, rows.c.bucket)
    each = counts.subquery("counts").c
    return select(each.key, func.array_agg(each.bucket), func.array_agg(each.count)).group_by(each.key)


_unit: dict[Interval, str] = {Interval.HOURLY: "hour", Interval.DAILY: "day"}
_durations_by_interval = {
    interval: _durations(_timed_together, func.date_trunc(literal(unit, Text), _timed_together.c.starts_at))
    for interval, unit in _unit.items()
}
_any_name = bindparam("names", type_=ARRAY(Text)).any_()
_durations_by_name: dict[Name, Select[Any]] = {
    "task_name": _durations(_timed, _timed.c.task_name, _timed.c.task_name == _any_name),
    "queue_name": _durations(_timed, _timed.c.queue_name, _timed.c.queue_name == _any_name),
}


async def count_durations_by_interval(
    connection: AsyncConnection, window: Window, *, interval: Interval
) -> dict[datetime, dict[int, int]]:
    """Return the histogram of the durations of ended tasks, for each bucket of the series."""
    return _histograms(await connection.execute(_durations_by_interval[interval], _bounds(window)))


async def count_durations_by_name(
    connection: AsyncConnection, window: Window, *, name: Name, names: Sequence[str]
) -> dict[str, dict[int, int]]:
    """Return the histogram of the durations of ended tasks, for each of these task names or queues."""
    rows = await connection.execute(_durations_by_name[name], _bounds(window) | {"names": list(names)})
    return _histograms(rows)


def _bounds(window: Window) -> dict[str, Any]:
    first_hour = Interval.HOURLY.start_of(window.since)
    whole_hours = first_hour if first_hour == window.since else first_hour + _HOUR
    midnight = Interval.DAILY.start_of(whole_hours)
    return {
        "since": window.since,
        "until": window.until,
        "first_hour": first_hour,
        "whole_hours": whole_hours,
        "whole_days": midnight if midnight == whole_hours else midnight + _DAY,
    }


def _to_sums(row: Row[Any]) -> Sums:
    return Sums(*map(int, row[1:]))


def _histograms(rows: Iterable[Any]) -> Histograms:
    return {key: dict(zip(buckets, counts, strict=True)) for key, buckets, counts in rows}
