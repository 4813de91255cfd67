"""The feed: changes inserted beside what they tell, and read in the order in which they were committed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import (
    JSON,
    BigInteger,
    Integer,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.feed import Change, Place, Told
from store.batch import batch_of, bind_rows
from store.listener import FEED
from store.queries import partitions
from store.tables.audit import Xid8
from store.tables.base import Time
from store.tables.feed import feed, feed_state

_PLAIN = ("type", "subject_id", "task_name", "queue_name", "status", "previous")
_COLUMNS = (*_PLAIN, "data", "sequence")
_write_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_batch = batch_of(
    number=Integer,
    type=Text,
    subject_id=Text,
    task_name=Text,
    queue_name=Text,
    status=Text,
    previous=Text,
    data=Text,
    sequence=Integer,
)
_begins = select(func.nextval("feed_change_id"))
"""The number before the first of a statement, asked once; that of the next statement is a million higher."""
_add = select(func.pg_notify(FEED, "")).add_cte(
    insert(feed)
    .from_select(
        ("change_id", *_COLUMNS),
        select(
            _begins.scalar_subquery() + _batch.c.number,
            *(_batch.c[name] for name in _PLAIN),
            cast(_batch.c.data, JSON),
            _batch.c.sequence,
        ),
    )
    .cte("told")
)


async def add_changes(connection: AsyncConnection, changes: Iterable[Change]) -> None:
    """Insert these changes, in this order; the commit wakes who reads the feed."""
    await connection.execute(_add, bind_rows(("number", *_COLUMNS), map(_row, count(), changes)))


def _row(number: int, change: Change) -> tuple[object, ...]:
    return (
        number,
        str(change.type),
        change.subject_id,
        change.task_name,
        change.queue_name,
        change.status,
        change.previous,
        _write_json(change.data),
        change.sequence,
    )


@dataclass(frozen=True, slots=True)
class FeedState:
    """What readers must know of the feed as a whole."""

    epoch: str
    complete_since: datetime
    """The time since when all that has changed is still kept."""
    dropped: Place | None
    """The last place that is no longer kept."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the feed, in the order of commits."""

    changes: list[Told]
    ends: Place
    """The place to go on from: behind the last change, or behind all that can be told now."""
    is_last: bool
    """True where that is all that can be told now."""


_state = select(
    feed_state.c.epoch, feed_state.c.complete_since, feed_state.c.dropped_xact, feed_state.c.dropped_change_id
)


async def get_state(connection: AsyncConnection) -> FeedState:
    """Return the state of the feed; ask after having read, for what was there may have been dropped meanwhile."""
    epoch, since, xact, change_id = (await connection.execute(_state)).one()
    return FeedState(epoch, since, None if xact is None else Place(xact, change_id))


_HORIZON = "pg_snapshot_xmin(pg_current_snapshot())"
_horizon = literal_column(_HORIZON, Xid8)
"""The number below which every transaction is over: nothing is added there any more."""
_TOLD = ("xact", "change_id", "at", *_COLUMNS)
_read = (
    select(*(feed.c[name] for name in _TOLD))
    .where(
        tuple_(feed.c.xact, feed.c.change_id)
        > tuple_(bindparam("xact", type_=Xid8), bindparam("change_id", type_=BigInteger)),
        feed.c.xact < _horizon,
    )
    .order_by(feed.c.xact, feed.c.change_id)
    .limit(bindparam("limit", type_=Integer))
    .subquery()
)
_head = select(_horizon.label("horizon")).subquery()
# One statement, and so one snapshot: what is below the horizon is seen, and what is not seen is not below it.
_read_on = (
    select(_head.c.horizon, *_read.c)
    .select_from(_head.outerjoin(_read, true()))
    .order_by(_read.c.xact, _read.c.change_id)
)


async def read_on(connection: AsyncConnection, after: Place, *, limit: int) -> Stretch:
    """Return up to so many changes behind this place, oldest commit first (index feed_order of each day).

    Nothing is ever added before where it ends: only what is older than every open transaction is read.
    """
    values = {"xact": after.xact, "change_id": after.change_id, "limit": limit}
    rows = (await connection.execute(_read_on, values)).all()
    changes = [Told(Place(row.xact, row.change_id), *row[3:]) for row in rows if row.xact is not None]
    if len(changes) == limit:
        return Stretch(changes, changes[-1].place, is_last=False)
    return Stretch(changes, max(after, Place(rows[0].horizon, 0)), is_last=True)


async def get_head(connection: AsyncConnection) -> Place:
    """Return the place behind everything that can be told now."""
    return Place((await connection.execute(select(_horizon))).scalar_one(), 0)


_FORGET_BEFORE = (
    "UPDATE feed_state SET dropped_xact = dropped.xact, dropped_change_id = dropped.change_id FROM dropped"
    " WHERE feed_state.dropped_xact IS NULL"
    " OR (feed_state.dropped_xact, feed_state.dropped_change_id) < (dropped.xact, dropped.change_id)"
)
_DROP_DAY = (
    "WITH dropped AS (SELECT xact, change_id FROM {day} ORDER BY xact DESC, change_id DESC LIMIT 1) " + _FORGET_BEFORE,  # noqa: S608
    "UPDATE feed_state SET complete_since = greatest(complete_since,"
    " (to_date(right('{day}', 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC')",
    "ALTER TABLE feed DETACH PARTITION {day}",
    "DROP TABLE {day}",
)


async def drop_oldest_day(connection: AsyncConnection, *, kept_for: timedelta) -> str | None:
    """Drop the oldest partition whose whole day (UTC) is longer ago, and note where the feed begins now.

    Returns its name, None if there is none. Raises OperationalError if a lock is not to be had within 1 s.
    """
    return await partitions.drop_oldest_day(connection, "feed", kept_for=kept_for, statements=_DROP_DAY)


# In the order of places, not of times: what is left is then whole behind the last that was dropped.
_delete_strays = text(
    "WITH old AS (SELECT ctid FROM feed_default WHERE at < :before ORDER BY xact, change_id LIMIT :batch_size),"
    " dropped AS (DELETE FROM feed_default WHERE ctid IN (SELECT ctid FROM old) RETURNING xact, change_id)"
    " SELECT xact, change_id, count(*) OVER () AS stray_count FROM dropped ORDER BY xact DESC, change_id DESC LIMIT 1"
).bindparams(bindparam("before", type_=Time), bindparam("batch_size", type_=Integer))
_forget_strays = text(
    "WITH dropped AS (SELECT CAST(:xact AS xid8) AS xact, CAST(:change_id AS bigint) AS change_id)" + _FORGET_BEFORE
).bindparams(bindparam("xact", type_=Text), bindparam("change_id", type_=BigInteger))
_begin_at = update(feed_state).values(
    complete_since=func.greatest(feed_state.c.complete_since, bindparam("before", type_=Time))
)


async def delete_strays(connection: AsyncConnection, *, before: datetime, batch_size: int) -> int:
    """Delete the oldest changes of before this time for whose day there was no partition, and note where the feed
    begins now; returns how many."""
    values = {"before": before, "batch_size": batch_size}
    last = (await connection.execute(_delete_strays, values)).one_or_none()
    if last is None:
        return 0
    await connection.execute(_forget_strays, {"xact": str(last.xact), "change_id": last.change_id})
    await connection.execute(_begin_at, {"before": before})
    return int(last.stray_count)
