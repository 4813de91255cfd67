"""What happened in a window of time, read from the roll-ups alone: folded sums and deltas not yet folded.

The series comes from the sums by the hour of all tasks together. The names come from the sums by the week; the days
before the first Monday, the hours before the first midnight, and the minutes of the hour in which the window begins,
are added from finer sums.
`rollup_minutes` has no histograms: the percentiles of that first hour are those of the whole hour.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
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
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.rollups import ENDS, Measure
from domain.trends import ALL_TASKS, Chosen, Interval, Sums, Window
from store.queries.sight import KEPT, within
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
    rollup_week_histograms,
    rollup_weeks,
)

Name = Literal["task_name", "queue_name"]
NAMES: tuple[Name, ...] = ("task_name", "queue_name")
Histograms = dict[Any, dict[int, int]]

LONGEST_NAMED = timedelta(hours=49)
"""The longest window of which the durations of chosen tasks are read by the hour: of all roll-ups, those by the hour
and by name have the most rows. An hour more than 48, for the minutes of the first.
"""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_since, _until = bindparam("since", type_=Time), bindparam("until", type_=Time)
_first_hour, _whole_hours = bindparam("first_hour", type_=Time), bindparam("whole_hours", type_=Time)
_whole_days, _whole_weeks = bindparam("whole_days", type_=Time), bindparam("whole_weeks", type_=Time)
_KEYS = (*NAMES, "measure", "error")
_SUMMED = ("count", "timed", "microseconds")
_ends = [measure.value for measure in ENDS]
_delta = rollup_deltas.c
_is_end = _delta.measure.in_(_ends)


def _within(starts_at: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
    """The window ends now: what it ends in is taken whole, since nothing has happened after it."""
    return and_(starts_at >= since, starts_at <= _until)


def _unfolded(*keys: str, period: str = "hour") -> Select[Any]:
    start = func.date_trunc(period, _delta.starts_at).label("starts_at")
    timed = (func.num_nonnulls(_delta.bucket) * _delta.count).label("timed")
    cells = (start, *(_delta[key] for key in keys), _delta.count, timed, _delta.microseconds)
    return select(*cells).where(_within(_delta.starts_at, _since))


def _of_minutes(*keys: str) -> Select[Any]:
    """Select the minutes of the hour that the window begins within."""
    minute = rollup_minutes.c
    hour = func.date_trunc("hour", minute.starts_at).label("starts_at")
    cells = (hour, *(minute[key] for key in (*keys, *_SUMMED)))
    return select(*cells).where(_within(minute.starts_at, _since), minute.starts_at < _whole_hours)


def _of(table: Table, *keys: str) -> Select[Any]:
    return select(*(table.c[name] for name in ("starts_at", *keys)))


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is added up: of all tasks, or of those that are chosen."""

    together: Subquery
    """The sums by the hour, whatever the names; where tasks are chosen, from those that have names."""
    by_minute: Subquery
    counted: Subquery
    timed_together: Subquery
    timed_by_day: Subquery
    timed: Subquery


def _rows_of(chosen: Chosen) -> _Rows:
    def of(part: Select[Any]) -> Select[Any]:
        return part.where(*are_chosen(chosen, part.get_final_froms()[0].c))

    hours = rollup_hours if chosen.is_bounded else rollup_hour_totals
    days, weeks = rollup_day_histograms, rollup_week_histograms
    return _Rows(
        together=union_all(
            of(_of(hours, "measure", *_SUMMED).where(_within(hours.c.starts_at, _whole_hours))),
            of(_of_minutes("measure")),
            of(_unfolded("measure")),
        ).subquery("together"),
        by_minute=union_all(
            of(_of(rollup_minutes, "measure", *_SUMMED).where(_within(rollup_minutes.c.starts_at, _since))),
            of(_unfolded("measure", period="minute")),
        ).subquery("by_minute"),
        counted=union_all(
            of(_of(rollup_weeks, *_KEYS, *_SUMMED).where(_within(rollup_weeks.c.starts_at, _whole_weeks))),
            of(_of(rollup_days, *_KEYS, *_SUMMED).where(*_before_monday(rollup_days))),
            of(
                _of(rollup_hours, *_KEYS, *_SUMMED).where(
                    _within(rollup_hours.c.starts_at, _whole_hours), rollup_hours.c.starts_at < _whole_days
                )
            ),
            of(_of_minutes(*_KEYS)),
            of(_unfolded(*_KEYS)),
        ).subquery("counted"),
        timed_together=union_all(of(_durations_together(chosen)), of(_unfolded_durations())).subquery("timed_together"),
        timed_by_day=union_all(
            of(_durations_of(days).where(_within(days.c.starts_at, _whole_days))),
            of(_durations_before_midnight()),
            of(_unfolded_durations(*NAMES)),
        ).subquery("timed_by_day"),
        timed=union_all(
            of(_durations_of(weeks).where(_within(weeks.c.starts_at, _whole_weeks))),
            of(_durations_of(days).where(*_before_monday(days))),
            of(_durations_before_midnight()),
            of(_unfolded_durations(*NAMES)),
        ).subquery("timed"),
    )


def _before_monday(days: Table) -> tuple[ColumnElement[bool], ...]:
    return _within(days.c.starts_at, _whole_days), days.c.starts_at < _whole_weeks


def _durations_of(table: Table) -> Select[Any]:
    return _of(table, *NAMES, "bucket", "count")


def _durations_before_midnight() -> Select[Any]:
    hour = rollup_histograms.c
    where = (_within(hour.starts_at, _first_hour), hour.starts_at < _whole_days, hour.measure.in_(_ends))
    return _durations_of(rollup_histograms).where(*where)


def _durations_together(chosen: Chosen) -> Select[Any]:
    if chosen.is_bounded:
        hours = rollup_histograms
        return _of(hours, "bucket", "count").where(_within(hours.c.starts_at, _first_hour), hours.c.measure.in_(_ends))
    hours = rollup_hour_histograms
    return _of(hours, "bucket", "count").where(_within(hours.c.starts_at, _first_hour))


def _unfolded_durations(*keys: str) -> Select[Any]:
    where = (_within(_delta.starts_at, _first_hour), _is_end, _delta.bucket.is_not(None))
    return _of(rollup_deltas, *keys, "bucket", "count").where(*where)


def are_chosen(chosen: Chosen, columns: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
    """Return what must hold of a row of the roll-ups that counts such tasks."""
    if not chosen.is_bounded:
        return []
    given = ((columns.task_name, chosen.task_name), (columns.queue_name, chosen.queue_name))
    return [*within(chosen.limits, columns), *(column == name for column, name in given if name is not None)]


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


@dataclass(frozen=True, slots=True)
class _Statements:
    by_hour: Select[Any]
    by_minute: Select[Any]
    by_name: Mapping[Name, Select[Any]]
    failures: Select[Any]
    durations_by_interval: Mapping[Interval, Select[Any]]
    durations_by_name: Select[Any]


@lru_cache(maxsize=KEPT)
def _statements(chosen: Chosen) -> _Statements:
    """Make the statements about these tasks; there are as many as there are names and keys with limits."""
    rows = _rows_of(chosen)
    return _Statements(
        by_hour=_by_start(rows.together),
        by_minute=_by_start(rows.by_minute),
        by_name={name: _busiest(rows.counted, name) for name in NAMES},
        failures=_failures(rows.counted),
        durations_by_interval={
            Interval.HOURLY: _durations_by(rows.timed_together, "hour"),
            # With names, sums by the day are fewer than those by the hour; without, the hours are few already.
            Interval.DAILY: _durations_by(rows.timed_by_day if chosen.is_bounded else rows.timed_together, "day"),
        },
        durations_by_name=_durations_by_name(rows.timed),
    )


def _by_start(rows: Subquery) -> Select[Any]:
    return select(rows.c.starts_at, *_sums(rows)).group_by(rows.c.starts_at)


def _busiest(counted: Subquery, name: Name) -> Select[Any]:
    key = counted.c[name]
    activity = func.sum(counted.c.count).filter(counted.c.measure != Measure.STARTED.value)
    return (
        select(key, *_sums(counted)).group_by(key).order_by(activity.desc().nulls_last(), key).limit(bindparam("limit"))
    )


def _failures(counted: Subquery) -> Select[Any]:
    return (
        select(counted.c.error, func.sum(counted.c.count))
        .where(counted.c.measure == Measure.FAILED.value)
        .group_by(counted.c.error)
        .having(func.sum(counted.c.count) > 0)
        .order_by(func.sum(counted.c.count).desc(), counted.c.error)
        .limit(bindparam("limit"))
    )


def _durations_by(rows: Subquery, unit: str) -> Select[Any]:
    return _durations(rows, func.date_trunc(literal(unit, Text), rows.c.starts_at))


def _durations(rows: Subquery, key: ColumnElement[Any]) -> Select[Any]:
    """One row for each key: tens of thousands of them would take longer to read than to count."""
    counts = select(key.label("key"), rows.c.bucket, _sum(rows.c.count)).group_by(key, rows.c.bucket)
    each = counts.subquery("counts").c
    return select(each.key, func.array_agg(each.bucket), func.array_agg(each.count)).group_by(each.key)


def _durations_by_name(timed: Subquery) -> Select[Any]:
    """Task names and queues in one pass over all rows; of a row that is of the one, the other is null."""
    row = timed.c
    sets = func.grouping_sets(*(tuple_(row[name], row.bucket) for name in NAMES))
    counts = select(row.task_name, row.queue_name, row.bucket, _sum(row.count)).group_by(sets)
    each = counts.subquery("counts").c
    asked = or_(*(each[name] == bindparam(f"{name}s", type_=ARRAY(Text)).any_() for name in NAMES))
    names = (each.task_name, each.queue_name)
    return select(*names, func.array_agg(each.bucket), func.array_agg(each.count)).where(asked).group_by(*names)


def _sum(count: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.sum(count), BigInteger).label("count")


async def sum_by_hour(
    connection: AsyncConnection, window: Window, *, chosen: Chosen = ALL_TASKS
) -> dict[datetime, Sums]:
    """Return the sums of each hour in which anything happened (primary keys of the roll-ups, which begin with the
    time).
    """
    rows = await connection.execute(_statements(chosen).by_hour, _bounds(window))
    return {row[0]: _to_sums(row) for row in rows}


async def sum_by_minute(
    connection: AsyncConnection, window: Window, *, chosen: Chosen = ALL_TASKS
) -> dict[datetime, Sums]:
    """Return the sums of each minute in which anything happened (primary key of rollup_minutes)."""
    rows = await connection.execute(_statements(chosen).by_minute, _bounds(window))
    return {row[0]: _to_sums(row) for row in rows}


async def sum_by_name(
    connection: AsyncConnection, window: Window, *, name: Name, limit: int, chosen: Chosen = ALL_TASKS
) -> dict[str, Sums]:
    """Return the sums of the task names or queues in which most happened, busiest first; `""` is an unknown name."""
    rows = await connection.execute(_statements(chosen).by_name[name], _bounds(window) | {"limit": limit})
    return {row[0]: _to_sums(row) for row in rows}


async def count_failures(
    connection: AsyncConnection, window: Window, *, limit: int, chosen: Chosen = ALL_TASKS
) -> dict[str, int]:
    """Return how many tasks failed by each class of exception, the most frequent first."""
    rows = await connection.execute(_statements(chosen).failures, _bounds(window) | {"limit": limit})
    return {error: int(count) for error, count in rows}


async def count_durations_by_interval(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen = ALL_TASKS
) -> dict[datetime, dict[int, int]]:
    """Return the histogram of the durations of ended tasks, for each bucket of the series; none by the minute, and for
    chosen tasks none by the hour of more than `LONGEST_NAMED`.
    """
    is_long = chosen.is_bounded and window.until - window.since > LONGEST_NAMED
    if interval is Interval.MINUTELY or (interval is Interval.HOURLY and is_long):
        return {}
    return _histograms(await connection.execute(_statements(chosen).durations_by_interval[interval], _bounds(window)))


async def count_durations_by_name(
    connection: AsyncConnection, window: Window, *, names: Mapping[Name, Sequence[str]], chosen: Chosen = ALL_TASKS
) -> dict[Name, dict[str, dict[int, int]]]:
    """Return the histogram of the durations of ended tasks, for each of these task names and queues."""
    asked = {f"{name}s": list(names.get(name, ())) for name in NAMES}
    rows = await connection.execute(_statements(chosen).durations_by_name, _bounds(window) | asked)
    found: dict[Name, dict[str, dict[int, int]]] = {name: {} for name in NAMES}
    for task_name, queue_name, buckets, counts in rows:
        name: Name = "queue_name" if task_name is None else "task_name"
        found[name][queue_name if task_name is None else task_name] = dict(zip(buckets, counts, strict=True))
    return found


def _bounds(window: Window) -> dict[str, Any]:
    first_hour = Interval.HOURLY.start_of(window.since)
    whole_hours = first_hour if first_hour == window.since else first_hour + _HOUR
    midnight = Interval.DAILY.start_of(whole_hours)
    whole_days = midnight if midnight == whole_hours else midnight + _DAY
    return {
        "since": window.since,
        "until": window.until,
        "first_hour": first_hour,
        "whole_hours": whole_hours,
        "whole_days": whole_days,
        "whole_weeks": whole_days + -whole_days.weekday() % 7 * _DAY,
    }


def _to_sums(row: Row[Any]) -> Sums:
    return Sums(*map(int, row[1:]))


def _histograms(rows: Iterable[Any]) -> Histograms:
    return {key: dict(zip(buckets, counts, strict=True)) for key, buckets, counts in rows}
