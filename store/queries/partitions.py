"""Partitions of `events`."""

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_make = text("SELECT make_event_partitions((now() AT TIME ZONE 'UTC')::date, :days)").bindparams(
    bindparam("days", type_=Integer)
)


async def make_event_partitions(connection: AsyncConnection, *, days: int) -> int:
    """Make the daily partitions of today and the days after; returns how many were missing."""
    return int((await connection.execute(_make, {"days": days})).scalar_one())
