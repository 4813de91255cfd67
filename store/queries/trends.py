"""What happened in a window of time, read from the roll-ups alone, by the hour and by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Subquery,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.histograms import unpack
from domain.rollups import Measure
from domain.slowdowns import Runs
from domain.trends import ALL_TASKS, Chosen, Interval, Sums, SumsAndDurations, Window
from store.queries.sight import KEPT
from store.queries.windows import NAMES, Name, bounds, rows_of, sums_of
from store.tables.base import Time

Kind = Literal["task_name", "queue_name", "error"]
KINDS: tuple[Kind, ...] = ("task_name", "queue_name", "error")

LONGEST_NAMED = timedelta(hours=49)
"""The longest window of which the durations of chosen tasks are read by the hour: of all roll-ups, those by the hour
and by name have the most rows. An hour more than 48, for the minutes of the first.
"""


@dataclass(frozen=True, slots=True)
class _Statements:
    by_hour: Select[Any]
    by_minute: Select[Any]
    by_name: Mapping[Name, Select[Any]]
    failures: Select[Any]
    by_kind: CompoundSelect[Any]
    durations_by_interval: Mapping[Interval, Select[Any]]
    durations_by_task: Select[Any]
    runs_by_task: Select[Any]


@lru_cache(maxsize=KEPT)
def _statements(chosen: Chosen) -> _Statements:
    """Make the statements about these tasks; there are as many as there are names and keys with limits."""
    rows = rows_of(chosen)
    counted = select(rows.named).where(rows.named.c.is_counted).subquery()
    return _Statements(
        by_hour=_by_start(rows.together),
        by_minute=_by_start(rows.by_minute),
        by_name={name: _busiest(counted, name) for name in NAMES},
        failures=_failures(counted),
        by_kind=_by_kind(rows.named),
        durations_by_interval={
            Interval.MINUTELY: _packed_by(rows.runs_by_minute, "minute"),
            Interval.HOURLY: (_packed_by if chosen.is_bounded else _buckets_by)(rows.timed_by_hour, "hour"),
            # With names, sums by the day are fewer than those by the hour; without, the hours are few already.
            Interval.DAILY: (
                _packed_by(rows.timed_by_day, "day") if chosen.is_bounded else _buckets_by(rows.timed_by_hour, "day")
            ),
        },
        durations_by_task=_durations_by_task(rows.named),
        runs_by_task=_runs_by_task(rows.runs_by_minute),
    )


# Two parallel workers take longer to start than what they would add up: 36 ms of processor time instead of 16.
_by_one_process = select(func.set_config("max_parallel_workers_per_gather", "0", true()))


def _by_start(rows: Subquery) -> Select[Any]:
    return select(rows.c.starts_at, *sums_of(rows)).group_by(rows.c.starts_at)


def _activity(rows: FromClause) -> ColumnElement[Any]:
    return func.sum(rows.c.count).filter(rows.c.measure != Measure.STARTED.value).desc().nulls_last()


def _busiest(counted: Subquery, name: Name) -> Select[Any]:
    key = counted.c[name]
    named = select(key, *sums_of(counted)).group_by(key)
    return named.order_by(_activity(counted), key).limit(bindparam("limit"))


def _failures(counted: Subquery) -> Select[Any]:
    count = func.sum(counted.c.count)
    return (
        select(counted.c.error, count)
        .where(counted.c.measure == Measure.FAILED.value)
        .group_by(counted.c.error)
        .having(count > 0)
        .order_by(count.desc(), counted.c.error)
        .limit(bindparam("limit"))
    )


def _by_kind(named: Subquery) -> CompoundSelect[Any]:
    """Task names, queues and errors from one pass over all rows, of which few are left when they are summed up."""
    keys = [named.c[key] for key in (*NAMES, "measure", "error")]
    sums = [func.sum(named.c[name]).label(name) for name in ("count", "timed", "microseconds", "durations")]
    each = select(*keys, *sums, func.bool_or(named.c.is_counted).label("is_counted")).group_by(*keys).cte("each")
    by_name = [_ranked(each, name).having(func.bool_or(each.c.is_counted)) for name in NAMES]
    failed = _ranked(each, "error").where(each.c.measure == Measure.FAILED.value).having(func.sum(each.c.count) > 0)
    ranked = [kind.subquery() for kind in (*by_name, failed)]
    return union_all(*(select(rows).where(rows.c.rank <= bindparam("limit")) for rows in ranked))


def _ranked(each: CTE, kind: Kind) -> Select[Any]:
    key = each.c[kind]
    rank = func.row_number().over(order_by=(_activity(each), key)).label("rank")
    durations = cast(func.sum(each.c.durations), Text).label("durations")
    return select(literal(kind, Text).label("kind"), rank, key.label("key"), durations, *sums_of(each)).group_by(key)


def _buckets_by(rows: Subquery, unit: str) -> Select[Any]:
    """One row for each hour or day: tens of thousands of them would take longer to read than to count."""
    start = func.date_trunc(literal(unit, Text), rows.c.starts_at).label("start")
    count = cast(func.sum(rows.c.count), BigInteger).label("count")
    each = select(start, rows.c.bucket, count).group_by(start, rows.c.bucket).subquery("counts").c
    return select(each.start, func.array_agg(each.bucket), func.array_agg(each.count)).group_by(each.start)


def _packed_by(rows: Subquery, unit: str) -> Select[Any]:
    start = func.date_trunc(literal(unit, Text), rows.c.starts_at)
    return select(start, cast(func.sum(rows.c.durations), Text)).group_by(start)


def _durations_by_task(named: Subquery) -> Select[Any]:
    name, durations = named.c.task_name, named.c.durations
    asked = name == bindparam("names", type_=ARRAY(Text)).any_()
    return select(name, cast(func.sum(durations), Text)).where(asked, durations != 0).group_by(name)


def _runs_by_task(runs: Subquery) -> Select[Any]:
    name, is_late = runs.c.task_name, (runs.c.starts_at >= bindparam("middle", type_=Time)).label("is_late")
    # Joined, not compared with each of them: of a hundred names there are ten thousand minutes in two hours.
    asked = func.unnest(bindparam("names", type_=ARRAY(Text))).table_valued(column("name")).render_derived(name="asked")
    sums = cast(func.sum(runs.c.timed), BigInteger), cast(func.sum(runs.c.durations), Text)
    return select(name, is_late, *sums).join_from(runs, asked, name == asked.c.name).group_by(name, is_late)


async def sum_by_hour(
    connection: AsyncConnection, window: Window, *, chosen: Chosen = ALL_TASKS
) -> dict[datetime, Sums]:
    """Return the sums of each hour in which anything happened (primary keys of the roll-ups, which begin with the
    time).
    """
    rows = await connection.execute(_statements(chosen).by_hour, bounds(window))
    return {start: Sums(*sums) for start, *sums in rows}


async def sum_by_minute(
    connection: AsyncConnection, window: Window, *, chosen: Chosen = ALL_TASKS
) -> dict[datetime, Sums]:
    """Return the sums of each minute in which anything happened (primary key of rollup_minutes)."""
    rows = await connection.execute(_statements(chosen).by_minute, bounds(window))
    return {start: Sums(*sums) for start, *sums in rows}


async def sum_by_name(
    connection: AsyncConnection, window: Window, *, name: Name, limit: int, chosen: Chosen = ALL_TASKS
) -> dict[str, Sums]:
    """Return the sums of the task names or queues in which most happened, busiest first; `""` is an unknown name."""
    rows = await connection.execute(_statements(chosen).by_name[name], bounds(window) | {"limit": limit})
    return {key: Sums(*sums) for key, *sums in rows}


async def count_failures(
    connection: AsyncConnection, window: Window, *, limit: int, chosen: Chosen = ALL_TASKS
) -> dict[str, int]:
    """Return how many tasks failed by each class of exception, the most frequent first."""
    rows = await connection.execute(_statements(chosen).failures, bounds(window) | {"limit": limit})
    return {error: int(count) for error, count in rows}


async def sum_by_kind(
    connection: AsyncConnection, window: Window, *, limit: int, chosen: Chosen = ALL_TASKS
) -> dict[Kind, dict[str, SumsAndDurations]]:
    """Return what `sum_by_name` and `count_failures` do, with the durations of the names, in one statement."""
    await connection.execute(_by_one_process)
    rows = await connection.execute(_statements(chosen).by_kind, bounds(window) | {"limit": limit})
    found: dict[Kind, dict[str, SumsAndDurations]] = {kind: {} for kind in KINDS}
    for kind, _, key, durations, *sums in sorted(rows, key=itemgetter(1)):
        found[kind][key] = SumsAndDurations(Sums(*sums), unpack(durations or ""))
    return found


async def count_durations_by_interval(
    connection: AsyncConnection, window: Window, *, interval: Interval, chosen: Chosen = ALL_TASKS
) -> dict[datetime, dict[int, int]]:
    """Return the histogram of the durations of ended tasks, for each bucket of the series; for all tasks none by the
    minute, and for chosen ones none by the hour of more than `LONGEST_NAMED`.
    """
    if chosen.is_bounded:
        is_untold = interval is Interval.HOURLY and window.until - window.since > LONGEST_NAMED
    else:
        is_untold = interval is Interval.MINUTELY
    if is_untold:
        return {}
    rows = await connection.execute(_statements(chosen).durations_by_interval[interval], bounds(window))
    if chosen.is_bounded:
        return {start: unpack(durations) for start, durations in rows}
    return {start: dict(zip(buckets, counts, strict=True)) for start, buckets, counts in rows}


async def count_runs_by_half(
    connection: AsyncConnection, window: Window, *, names: Sequence[str], chosen: Chosen = ALL_TASKS
) -> dict[tuple[str, bool], Runs]:
    """Return the runs of these task names that ended in the first half of the window and in the second one, which is
    True (primary key of rollup_minutes).
    """
    middle = window.since + (window.until - window.since) // 2
    parameters = bounds(window) | {"names": list(names), "middle": Interval.MINUTELY.start_of(middle)}
    await connection.execute(_by_one_process)
    rows = await connection.execute(_statements(chosen).runs_by_task, parameters)
    return {(name, is_late): Runs(count, unpack(durations)) for name, is_late, count, durations in rows}


async def count_durations_by_task(
    connection: AsyncConnection, window: Window, *, names: Sequence[str], chosen: Chosen = ALL_TASKS
) -> dict[str, dict[int, int]]:
    """Return the histogram of the durations of ended tasks, for each of these task names."""
    parameters = bounds(window) | {"names": list(names)}
    rows = await connection.execute(_statements(chosen).durations_by_task, parameters)
    return {name: unpack(durations) for name, durations in rows}
