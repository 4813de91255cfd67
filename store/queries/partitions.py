"""Partitions of `events` and of `feed`, each of one day."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Integer, Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

LOCK_TIMEOUT = "1s"
"""All who want the table wait behind us while we wait for its lock."""

_days = bindparam("days", type_=Integer)
_of_events = text("SELECT make_event_partitions((now() AT TIME ZONE 'UTC')::date, :days)").bindparams(_days)
_of_feed = text("SELECT make_feed_partitions((now() AT TIME ZONE 'UTC')::date, :days)").bindparams(_days)
_oldest_day = text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = to_regclass(:parent) AND relname ~ ('^' || :parent || '_[0-9]{8}$')"
    " AND relname < :parent || '_' || to_char((now() - :kept_for) AT TIME ZONE 'UTC', 'YYYYMMDD')"
    " ORDER BY relname LIMIT 1"
).bindparams(bindparam("parent", type_=Text), bindparam("kept_for", type_=Interval))


async def make_event_partitions(connection: AsyncConnection, *, days: int) -> int:
    """Make the daily partitions of today and the days after; returns how many were missing."""
    return int((await connection.execute(_of_events, {"days": days})).scalar_one())


async def make_feed_partitions(connection: AsyncConnection, *, days: int) -> int:
    """Make the daily partitions of today and the days after; returns how many were missing."""
    return int((await connection.execute(_of_feed, {"days": days})).scalar_one())


async def drop_oldest_day(
    connection: AsyncConnection, parent: str, *, kept_for: timedelta, statements: Sequence[str]
) -> str | None:
    """Run these statements, which name it `{day}`, for the oldest partition whose whole day (UTC) is longer ago.

    Returns its name, None if there is none. Raises OperationalError if a lock is not to be had within 1 s.
    """
    values = {"parent": parent, "kept_for": kept_for}
    day: str | None = (await connection.execute(_oldest_day, values)).scalar_one_or_none()
    if day:
        for statement in (f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'", *statements):
            await connection.execute(text(statement.format(day=day)))
    return day
