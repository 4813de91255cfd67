"""Keeping the roll-ups: writers append deltas, one process folds them into sums, old sums go.

Who reads adds what is folded and what is not, in one snapshot: `trends.py` and `for_dashboard.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.histograms import DIGITS
from domain.rollups import ENDS, Delta, Measure
from store.batch import Columns, batch_of, bind_rows
from store.queries import percentiles
from store.tables.base import Time
from store.tables.rollups import (
    rollup_days,
    rollup_deltas,
    rollup_hour_histograms,
    rollup_hour_totals,
    rollup_hours,
    rollup_minutes,
    rollup_nodes,
    rollup_p95s,
    rollup_totals,
    rollup_weeks,
)

_DELTA: Columns = {
    "starts_at": Time,
    "task_name": Text,
    "queue_name": Text,
    "measure": Text,
    "error": Text,
    "node": Text,
    "bucket": SmallInteger,
    "count": BigInteger,
    "microseconds": BigInteger,
}
_deltas = batch_of(**_DELTA)
_add = insert(rollup_deltas).from_select(tuple(_DELTA), select(*_deltas.c))


async def add_deltas(connection: AsyncConnection, deltas: Sequence[Delta]) -> None:
    """Append changes of the counts, in the transaction that changes what they count."""
    rows = [(*delta.entry, delta.count, delta.microseconds) for delta in deltas]
    await connection.execute(_add, bind_rows(tuple(_DELTA), rows))


def submitted_count_statement(new_tasks: CTE) -> Insert:
    """The statement that counts the rows of a CTE with `created_at`, `task_name` and `queue_name` as submitted."""
    row = new_tasks.c
    keys = (func.date_trunc("minute", row.created_at), row.task_name, row.queue_name)
    counted = select(*keys, literal(Measure.SUBMITTED.value, Text), func.count()).group_by(*keys)
    return insert(rollup_deltas).from_select(("starts_at", "task_name", "queue_name", "measure", "count"), counted)


def packed(count: ColumnElement[Any], bucket: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what so many in this bucket add to a packed histogram (`domain/histograms.py`); null without a bucket."""
    return count * cast(literal("1e", Text) + cast(bucket * DIGITS, Text), Numeric)


_oldest = (
    select(rollup_deltas.c.delta_id)
    .order_by(rollup_deltas.c.delta_id)
    .limit(bindparam("batch_size", type_=Integer))
    .scalar_subquery()
)
_taken = delete(rollup_deltas).where(rollup_deltas.c.delta_id.in_(_oldest)).returning(*rollup_deltas.c).cte("taken")
_row = _taken.c
_count = func.sum(_row.count)
_SUMS: dict[str, ColumnElement[Any]] = {
    "count": _count,
    "timed": func.coalesce(_count.filter(_row.bucket.is_not(None)), 0),
    "microseconds": func.sum(_row.microseconds),
}
_NAMES = (_row.task_name, _row.queue_name, _row.measure)
_is_timed = _row.bucket.is_not(None)
_is_end = _row.measure.in_([measure.value for measure in ENDS])
_durations = func.sum(packed(_row.count, _row.bucket)).filter(_is_end)
_TIMED_SUMS = _SUMS | {"durations": func.coalesce(_durations, 0)}


def _fold_into(
    table: Table,
    *keys: ColumnElement[Any],
    sums: Mapping[str, ColumnElement[Any]],
    where: ColumnElement[bool] | None = None,
) -> CTE:
    names = [column.name for column in table.primary_key]
    folded = select(*keys, *sums.values()).group_by(*keys)
    if where is not None:
        folded = folded.where(where)
    new = insert(table).from_select([*names, *sums], folded)
    added = {name: table.c[name] + new.excluded[name] for name in sums}
    return new.on_conflict_do_update(index_elements=names, set_=added).cte(f"into_{table.name}")


def _by(period: str) -> ColumnElement[Any]:
    return func.date_trunc(period, _row.starts_at)


_COUNT = {"count": _count}
_fold = (
    select(
        func.count().label("folded"),
        func.array_agg(_by("hour").distinct()).filter(_is_end & _is_timed).label("hours"),
    )
    .select_from(_taken)
    .add_cte(
        *(
            _fold_into(table, _by(period), *_NAMES, _row.error, sums=_TIMED_SUMS)
            for period, table in (
                ("minute", rollup_minutes),
                ("hour", rollup_hours),
                ("day", rollup_days),
                ("week", rollup_weeks),
            )
        ),
        _fold_into(rollup_hour_totals, _by("hour"), _row.measure, sums=_SUMS),
        _fold_into(rollup_hour_histograms, _by("hour"), _row.bucket, sums=_COUNT, where=_is_end & _is_timed),
        _fold_into(
            rollup_nodes, _row.starts_at, _row.node, _row.measure, sums=_COUNT, where=_is_end & (_row.node != "")
        ),
        _fold_into(rollup_totals, _row.measure, sums=_COUNT),
    )
)

any_delta = exists().select_from(rollup_deltas)
"""Whether there is anything to fold."""


async def fold_deltas(connection: AsyncConnection, *, batch_size: int) -> int:
    """Move up to `batch_size` deltas into the sums, oldest first (primary key); returns how many there were.

    Only one process may do so at a time: two would lock the same sums in different orders.
    """
    row = (await connection.execute(_fold, {"batch_size": batch_size})).one()
    if row.hours:
        await percentiles.rank(connection, row.hours)
    return int(row.folded)


_max_age = bindparam("max_age", type_=Interval)
_prune = {
    table: delete(table).where(table.c.starts_at < func.now() - _max_age)
    for table in (
        rollup_minutes,
        rollup_hours,
        rollup_days,
        rollup_weeks,
        rollup_hour_totals,
        rollup_hour_histograms,
        rollup_p95s,
        rollup_nodes,
    )
}


async def delete_old_sums(connection: AsyncConnection, *, max_age: timedelta, max_age_of_nodes: timedelta) -> int:
    """Remove sums that no window reaches any more (primary keys); returns how many. Totals stay for ever."""
    removed = 0
    for table, statement in _prune.items():
        age = max_age_of_nodes if table is rollup_nodes else max_age
        removed += (await connection.execute(statement, {"max_age": age})).rowcount
    return removed
