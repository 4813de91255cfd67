"""Failures in groups, from the roll-ups: by the class of the exception and the name of the task."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import Measure
from domain.sight import Sight
from domain.states import Status
from domain.trends import Chosen, Interval, Window
from store.queries.sight import KEPT, seen
from store.queries.windows import are_chosen
from store.tables.base import Time
from store.tables.rollups import rollup_days, rollup_deltas, rollup_hours, rollup_minutes
from store.tables.tasks import tasks

SAMPLED = 1_000
"""How many failed tasks, the newest, are looked through for those that stand for a group."""
RUNS = 200
"""How many tasks of a name, the newest, are looked through for the workers that run it."""
_TABLES = {Interval.HOURLY: (rollup_hours, "hour"), Interval.DAILY: (rollup_days, "day")}
_since = bindparam("since", type_=Time)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The tasks of one name that failed with exceptions of one class; `""` stands for an unknown name."""

    error: str
    task_name: str
    count: int
    series: dict[datetime, int]
    """How many failed in each hour or day, of those in which any did."""


@lru_cache(maxsize=KEPT)
def _groups(chosen: Chosen, interval: Interval) -> Select[Any]:
    table, unit = _TABLES[interval]
    delta = rollup_deltas.c
    start = func.date_trunc(literal(unit, Text), delta.starts_at).label("starts_at")
    counted = union_all(
        *(
            select(at, each.error, each.task_name, each.count).where(
                each.measure == Measure.FAILED.value, each.starts_at >= _since, *are_chosen(chosen, each)
            )
            for at, each in ((table.c.starts_at, table.c), (start, delta))
        )
    ).subquery("counted")
    names = (counted.c.error, counted.c.task_name)
    count = cast(func.sum(counted.c.count), BigInteger).label("count")
    by_start = select(counted.c.starts_at, *names, count).group_by(counted.c.starts_at, *names).having(count > 0)
    each = by_start.subquery("by_start").c
    in_all = func.sum(each.count)
    return (
        select(
            each.error,
            each.task_name,
            in_all,
            func.array_agg(aggregate_order_by(each.starts_at, each.starts_at)),
            func.array_agg(aggregate_order_by(each.count, each.starts_at)),
        )
        .group_by(each.error, each.task_name)
        .order_by(in_all.desc(), each.error, each.task_name)
        .limit(bindparam("limit"))
    )


async def list_groups(
    connection: AsyncConnection, *, since: datetime, interval: Interval, chosen: Chosen, limit: int
) -> list[FailureGroup]:
    """Return the groups with most failures since a whole hour or day, the largest first (primary keys of rollup_hours
    and rollup_days).
    """
    rows = await connection.execute(_groups(chosen, interval), {"since": since, "limit": limit})
    return [
        FailureGroup(error, name, int(count), dict(zip(starts, counts, strict=True)))
        for error, name, count, starts, counts in rows
    ]


@lru_cache(maxsize=KEPT)
def _failed_before(chosen: Chosen) -> Select[Any]:
    stretches = (
        (rollup_days.c, _since, bindparam("day", type_=Time)),
        (rollup_hours.c, bindparam("day", type_=Time), bindparam("until", type_=Time)),
        (rollup_deltas.c, _since, bindparam("until", type_=Time)),
    )
    counted = union_all(
        *(
            select(each.error, each.task_name, each.count).where(
                each.measure == Measure.FAILED.value,
                each.starts_at >= begin,
                each.starts_at < end,
                each.task_name == any_(bindparam("names", type_=ARRAY(Text))),
                *are_chosen(chosen, each),
            )
            for each, begin, end in stretches
        )
    ).subquery("counted")
    names = (counted.c.error, counted.c.task_name)
    return select(*names).group_by(*names).having(func.sum(counted.c.count) > 0)


async def list_failed_before(
    connection: AsyncConnection, until: datetime, *, since: datetime, task_names: Collection[str], chosen: Chosen
) -> set[tuple[str, str]]:
    """Return the classes and names, of these names, of what failed from a midnight to a whole hour (primary keys of
    rollup_days and, for the day of that hour, rollup_hours).
    """
    day = Interval.DAILY.start_of(until)
    given = {"until": until, "day": day, "since": since, "names": list(task_names)}
    return {(error, name) for error, name in await connection.execute(_failed_before(chosen), given)}


@lru_cache(maxsize=KEPT)
def _first_minutes(chosen: Chosen) -> Select[Any]:
    minute = func.date_trunc(literal("minute", Text), rollup_deltas.c.starts_at).label("starts_at")
    # Each minute by itself, and their range beside it: of 5 of 100 names in 4 ms, where either of both alone took 8.
    minutes = bindparam("minutes", type_=ARRAY(Time))
    counted = union_all(
        *(
            select(at, each.error, each.task_name, each.count).where(
                each.measure == Measure.FAILED.value,
                *within,
                each.starts_at >= _since,
                each.task_name == any_(bindparam("names", type_=ARRAY(Text))),
                *are_chosen(chosen, each),
            )
            for at, each, within in (
                (rollup_minutes.c.starts_at, rollup_minutes.c, [rollup_minutes.c.starts_at == any_(minutes)]),
                (minute, rollup_deltas.c, []),
            )
        )
    ).subquery("counted")
    names = (counted.c.error, counted.c.task_name)
    by_minute = select(counted.c.starts_at, *names).group_by(counted.c.starts_at, *names)
    each = by_minute.having(func.sum(counted.c.count) > 0).subquery("by_minute").c
    return select(each.error, each.task_name, func.min(each.starts_at)).group_by(each.error, each.task_name)


async def list_first_minutes(
    connection: AsyncConnection, window: Window, *, task_names: Collection[str], chosen: Chosen
) -> dict[tuple[str, str], datetime]:
    """Return the minute in which the first of each class and name failed, of these names and in a window of a few hours
    (primary key of rollup_minutes).
    """
    given = {"since": window.since, "minutes": window.buckets(Interval.MINUTELY), "names": list(task_names)}
    rows = await connection.execute(_first_minutes(chosen), given)
    return {(error, name): at for error, name, at in rows}


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that failed."""

    task_id: str
    task_name: str | None
    error: str | None
    failed_at: datetime | None
    node: str | None
    created_at: datetime


@lru_cache(maxsize=KEPT)
def _newest(sight: Sight) -> Select[Any]:
    return (
        select(
            tasks.c.task_id,
            tasks.c.task_name,
            func.left(tasks.c.exception, 300),
            tasks.c.completed_at,
            tasks.c.node,
            tasks.c.created_at,
        )
        .where(tasks.c.status == Status.FAILED.value, tasks.c.created_at >= _since, *seen(sight))
        .order_by(tasks.c.created_at.desc(), tasks.c.task_id.desc())
        .limit(SAMPLED)
    )


async def list_newest_failed(connection: AsyncConnection, *, since: datetime, sight: Sight) -> list[FailedTask]:
    """Return the newest of the failed tasks that were made since then (index tasks_status)."""
    return [FailedTask(*row) for row in await connection.execute(_newest(sight), {"since": since})]


@dataclass(frozen=True, slots=True)
class RunsOnNode:
    """The newest tasks of a name that ended on a node, completed or failed; `since` is when the first was made."""

    task_name: str
    node: str
    count: int
    since: datetime


@lru_cache(maxsize=KEPT)
def _runs(sight: Sight) -> Select[Any]:
    name = func.unnest(bindparam("names", type_=ARRAY(Text))).table_valued(column("name", Text)).render_derived()
    newest = (
        select(tasks.c.node, tasks.c.status, tasks.c.created_at)
        .where(tasks.c.task_name == name.c.name, tasks.c.created_at >= _since, *seen(sight))
        .order_by(tasks.c.created_at.desc(), tasks.c.task_id.desc())
        .limit(RUNS)
        .lateral("newest")
    )
    has_ended = newest.c.status.in_((Status.COMPLETED.value, Status.FAILED.value))
    return (
        select(name.c.name, newest.c.node, func.count(), func.min(newest.c.created_at))
        .select_from(name.join(newest, true()))
        .where(has_ended, newest.c.node.is_not(None))
        .group_by(name.c.name, newest.c.node)
    )


async def list_runs_by_node(
    connection: AsyncConnection, names: Collection[str], *, since: datetime, sight: Sight
) -> list[RunsOnNode]:
    """Return where the newest tasks of these names ended, of those made since then (index tasks_name)."""
    rows = await connection.execute(_runs(sight), {"names": sorted(names), "since": since})
    return [RunsOnNode(*row) for row in rows]
