"""The rows of the roll-ups that make up a window of time: folded sums and deltas not yet folded.

All tasks together have sums by the hour. Names have sums by the week; the days before the first Monday, the hours
before the first midnight, and the minutes of the hour in which the window begins, are added from finer sums. The
percentiles of that first hour are those of the whole hour.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.rollups import ENDS, Measure
from domain.trends import Chosen, Interval, Sums, Window
from store.queries.rollups import packed
from store.queries.sight import within
from store.tables.base import Time
from store.tables.rollups import (
    rollup_days,
    rollup_deltas,
    rollup_hour_histograms,
    rollup_hour_totals,
    rollup_hours,
    rollup_minutes,
    rollup_weeks,
)

Name = Literal["task_name", "queue_name"]
NAMES: tuple[Name, ...] = ("task_name", "queue_name")

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_since, _until = bindparam("since", type_=Time), bindparam("until", type_=Time)
_first_hour, _whole_hours = bindparam("first_hour", type_=Time), bindparam("whole_hours", type_=Time)
_whole_days, _whole_weeks = bindparam("whole_days", type_=Time), bindparam("whole_weeks", type_=Time)
_KEYS = (*NAMES, "measure", "error")
_SUMMED = ("count", "timed", "microseconds")
_ends = [measure.value for measure in ENDS]
_delta = rollup_deltas.c
_is_timed_end = and_(_delta.measure.in_(_ends), _delta.bucket.is_not(None))
_durations_of_delta = case((_is_timed_end, packed(_delta.count, _delta.bucket))).label("durations")
_uncounted = tuple(literal(0, BigInteger).label(name) for name in _SUMMED)
_untimed = null().cast(Numeric).label("durations")


@dataclass(frozen=True, slots=True)
class Rows:
    """What is added up: of all tasks, or of those that are chosen."""

    together: Subquery
    """The sums by the hour, whatever the names; where tasks are chosen, from those that have names."""
    by_minute: Subquery
    named: Subquery
    """Sums and packed durations by the week, and what stands before the first one. `is_counted` tells those of which
    nothing but the durations is taken: they are older than the window, in its first hour.
    """
    runs_by_minute: Subquery
    """How many runs ended, and their packed durations: 0 where they were folded before the minute had any."""
    timed_by_hour: Subquery
    """Durations: packed where tasks are chosen, and else by bucket."""
    timed_by_day: Subquery
    """Durations, which are packed; those of chosen tasks are read by the day from here."""


def rows_of(chosen: Chosen) -> Rows:
    """Return the rows that count such tasks."""

    def of(*parts: Select[Any]) -> list[Select[Any]]:
        return [part.where(*are_chosen(chosen, part.get_final_froms()[0].c)) for part in parts]

    hours = rollup_hours if chosen.is_bounded else rollup_hour_totals
    minutes, days = rollup_minutes, rollup_days
    return Rows(
        together=_all_of(
            of(
                _of(hours, "measure", *_SUMMED).where(_within(hours.c.starts_at, _whole_hours)),
                _of_minutes("measure"),
                _unfolded("measure"),
            )
        ),
        by_minute=_all_of(
            of(
                _of(minutes, "measure", *_SUMMED).where(_within(minutes.c.starts_at, _since)),
                _unfolded("measure", period="minute"),
            )
        ),
        named=_all_of(of(*_named())),
        runs_by_minute=_all_of(of(*_runs_by_minute())),
        timed_by_hour=_all_of(of(*(_packed_by_hour() if chosen.is_bounded else _buckets_by_hour()))),
        timed_by_day=_all_of(
            of(
                _of(days, "durations").where(_within(days.c.starts_at, _whole_days)),
                *_packed_by_hour(rollup_hours.c.starts_at < _whole_days),
            )
        ),
    )


def _all_of(parts: Iterable[Select[Any]]) -> Subquery:
    return union_all(*parts).subquery()


def _named() -> Iterator[Select[Any]]:
    hours, days, weeks = rollup_hours, rollup_days, rollup_weeks
    counted, only_timed = true().cast(Boolean).label("is_counted"), false().cast(Boolean).label("is_counted")
    sums = (*_KEYS, *_SUMMED)
    yield _of(weeks, *sums, "durations").add_columns(counted).where(_within(weeks.c.starts_at, _whole_weeks))
    yield (
        _of(days, *sums, "durations")
        .add_columns(counted)
        .where(_within(days.c.starts_at, _whole_days), days.c.starts_at < _whole_weeks)
    )
    yield (
        _of(hours, *sums, "durations")
        .add_columns(counted)
        .where(_within(hours.c.starts_at, _whole_hours), hours.c.starts_at < _whole_days)
    )
    yield (
        _of(hours, *_KEYS)
        .add_columns(*_uncounted, hours.c.durations, only_timed)
        .where(hours.c.starts_at >= _first_hour, hours.c.starts_at < _whole_hours, hours.c.durations != 0)
    )
    yield _of_minutes(*_KEYS).add_columns(_untimed, counted)
    yield _unfolded(*_KEYS).add_columns(_durations_of_delta, counted)
    yield (
        select(*(_delta[key] for key in ("starts_at", *_KEYS)), *_uncounted, _durations_of_delta, only_timed).where(
            _delta.starts_at >= _first_hour, _delta.starts_at < _since, _is_timed_end
        )
    )


def _within(starts_at: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
    """The window ends now: what it ends in is taken whole, since nothing has happened after it."""
    return and_(starts_at >= since, starts_at <= _until)


def _of(table: Table, *keys: str) -> Select[Any]:
    return select(*(table.c[name] for name in ("starts_at", *keys)))


def _of_minutes(*keys: str) -> Select[Any]:
    """Select the minutes of the hour that the window begins within."""
    minute = rollup_minutes.c
    hour = func.date_trunc("hour", minute.starts_at).label("starts_at")
    cells = (hour, *(minute[key] for key in (*keys, *_SUMMED)))
    return select(*cells).where(_within(minute.starts_at, _since), minute.starts_at < _whole_hours)


def _unfolded(*keys: str, period: str = "hour") -> Select[Any]:
    start = func.date_trunc(period, _delta.starts_at).label("starts_at")
    timed = (func.num_nonnulls(_delta.bucket) * _delta.count).label("timed")
    cells = (start, *(_delta[key] for key in keys), _delta.count, timed, _delta.microseconds)
    return select(*cells).where(_within(_delta.starts_at, _since))


def _runs_by_minute() -> list[Select[Any]]:
    minute, timed = rollup_minutes.c, _delta.count.label("timed")
    return [
        _of(rollup_minutes, "task_name", "timed", "durations").where(
            _within(minute.starts_at, _since), minute.measure.in_(_ends), minute.timed != 0
        ),
        select(_delta.starts_at, _delta.task_name, timed, _durations_of_delta).where(
            _within(_delta.starts_at, _since), _is_timed_end
        ),
    ]


def _packed_by_hour(*where: ColumnElement[bool]) -> list[Select[Any]]:
    hours = _of(rollup_hours, "durations").where(_within(rollup_hours.c.starts_at, _first_hour), *where)
    deltas = select(_delta.starts_at, _durations_of_delta)
    return [
        hours.where(rollup_hours.c.durations != 0),
        deltas.where(_within(_delta.starts_at, _first_hour), _is_timed_end),
    ]


def _buckets_by_hour() -> list[Select[Any]]:
    hours = rollup_hour_histograms
    return [
        _of(hours, "bucket", "count").where(_within(hours.c.starts_at, _first_hour)),
        _of(rollup_deltas, "bucket", "count").where(_within(_delta.starts_at, _first_hour), _is_timed_end),
    ]


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


def sums_of(rows: FromClause) -> Iterator[ColumnElement[Any]]:
    """Yield the figures of `Sums` in their order."""
    for field in fields(Sums):
        column, measures = _SUMS[field.name]
        sum_ = func.sum(rows.c[column]).filter(rows.c.measure.in_(measures))
        # Sums of bigints are numeric, which Python reads slowly.
        yield cast(func.coalesce(sum_, 0), BigInteger).label(field.name)


def bounds(window: Window) -> dict[str, Any]:
    """Return the parameters of all rows of this window."""
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
