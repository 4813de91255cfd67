"""The 95th percentile of all durations of each hour and each day: kept by whoever folds, so that a month of them is
read without their histograms.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    column,
    false,
    func,
    literal,
    null,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import ENDS
from domain.trends import Interval, Window
from store.tables.base import Time
from store.tables.rollups import rollup_deltas, rollup_hour_histograms, rollup_p95s

PERCENT = 95
PERIODS = {Interval.HOURLY: "hour", Interval.DAILY: "day"}
_HOUR = timedelta(hours=1)
_hour, _delta, _known = rollup_hour_histograms.c, rollup_deltas.c, rollup_p95s.c
_since, _until, _hours = (
    bindparam("since", type_=Time),
    bindparam("until", type_=Time),
    bindparam("hours", type_=ARRAY(Time)),
)
_is_timed_end = and_(_delta.measure.in_([end.value for end in ENDS]), _delta.bucket.is_not(None))


def _rank_of(period: str) -> Insert:
    start = func.unnest(bindparam("starts", type_=ARRAY(Time))).table_valued(column("at", Time))
    start = start.render_derived(name="start")
    in_it = and_(_hour.starts_at >= start.c.at, _hour.starts_at < start.c.at + text(f"interval '1 {period}'"))
    keys, count = (start.c.at, _hour.bucket), func.sum(_hour.count).label("count")
    each = select(*keys, count).select_from(start).join(rollup_hour_histograms, in_it).group_by(*keys).subquery().c
    so_far = func.sum(each.count).over(partition_by=each.at, order_by=each.bucket).label("so_far")
    total = func.sum(each.count).over(partition_by=each.at).label("total")
    row = select(each.at, each.bucket, each.count, so_far, total).subquery().c
    p95 = func.min(row.bucket).filter(row.count > 0, row.so_far * 100 >= row.total * PERCENT)
    found = select(literal(period, Text), row.at, p95).group_by(row.at)
    new = insert(rollup_p95s).from_select([key.name for key in rollup_p95s.c], found)
    return new.on_conflict_do_update(index_elements=rollup_p95s.primary_key, set_={"bucket": new.excluded.bucket})


_rank = {interval: _rank_of(period) for interval, period in PERIODS.items()}


async def rank(connection: AsyncConnection, hours: Iterable[datetime]) -> None:
    """Find the percentiles of these hours and of their days again (primary key of rollup_hour_histograms)."""
    hours = list(hours)
    for interval, statement in _rank.items():
        await connection.execute(statement, {"starts": sorted({interval.start_of(hour) for hour in hours})})


def _known_of(period: str) -> Select[Any]:
    """Select what is known, and the hours or days of which it is not all."""
    start = func.date_trunc(literal(period, Text), _delta.starts_at, type_=Time)
    unfolded = select(start, null().cast(SmallInteger), true().cast(Boolean)).distinct()
    known = select(_known.starts_at, _known.bucket, false().cast(Boolean)).where(_known.period == period)
    return select(
        union_all(
            known.where(_known.starts_at.between(_since, _until)),
            unfolded.where(_delta.starts_at.between(_since, _until), _is_timed_end),
        ).subquery()
    )


def _counts_of(period: str) -> Select[Any]:
    delta_hour = func.date_trunc("hour", _delta.starts_at)
    row = (
        union_all(
            select(_hour.starts_at, _hour.bucket, _hour.count).where(_hour.starts_at == _hours.any_()),
            select(_delta.starts_at, _delta.bucket, _delta.count).where(delta_hour == _hours.any_(), _is_timed_end),
        )
        .subquery()
        .c
    )
    start = func.date_trunc(literal(period, Text), row.starts_at)
    return select(start, row.bucket, func.sum(row.count)).group_by(start, row.bucket)


_known_by = {interval: _known_of(period) for interval, period in PERIODS.items()}
_counts_by = {interval: _counts_of(period) for interval, period in PERIODS.items()}


async def find_p95s(
    connection: AsyncConnection, window: Window, *, interval: Interval
) -> dict[datetime, dict[int, int]]:
    """Return, for each bucket of the series, a histogram of which the 95th percentile is that of all tasks; none by the
    minute (primary keys of rollup_p95s and rollup_hour_histograms).

    Where all is folded, it holds that percentile alone. The whole histogram is read of what is not, and of a first day
    that begins before the window does.
    """
    if interval is Interval.MINUTELY:
        return {}
    first_hour = Interval.HOURLY.start_of(window.since)
    first = interval.start_of(window.since)
    rows = await connection.execute(_known_by[interval], {"since": first_hour, "until": window.until})
    found: dict[datetime, dict[int, int]] = {}
    unknown = {first} if first < first_hour else set()
    for start, bucket, is_unfolded in rows:
        if is_unfolded:
            unknown.add(start)
        elif bucket is not None:
            found[start] = {bucket: 1}
    if not unknown:
        return found
    hours = [hour for start in unknown for hour in _hours_of(start, interval) if first_hour <= hour <= window.until]
    for start in unknown:
        found[start] = {}
    for start, bucket, count in await connection.execute(_counts_by[interval], {"hours": hours}):
        found[start][bucket] = int(count)
    return found


def _hours_of(start: datetime, interval: Interval) -> list[datetime]:
    return [start + nth * _HOUR for nth in range(interval.length // _HOUR)]
