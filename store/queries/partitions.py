"""Partitions of `events` and of `feed`, each of one day."""

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_days = bindparam("days", type_=Integer)
_of_events = text("SELECT make_event_partitions((now() AT TIME ZONE 'UTC')::date, :days)").bindparams(_days)
_of_feed = text("SELECT make_feed_partitions((now() AT TIME ZONE 'UTC')::date, :days)").bindparams(_days)


async def make_event_partitions(connection: AsyncConnection, *, days: int) -> int:
    """Make the daily partitions of today and the days after; returns how many were missing."""
    return int((await connection.execute(_of_events, {"days": days})).scalar_one())


async def make_feed_partitions(connection: AsyncConnection, *, days: int) -> int:
    """Make the daily partitions of today and the days after; returns how many were missing."""
    return int((await connection.execute(_of_feed, {"days": days})).scalar_one())
