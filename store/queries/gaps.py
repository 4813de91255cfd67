"""Stretches of time during which the mirror could not hear."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from store.queries.workers.nodes import has_not_left
from store.tables.tasks import gaps
from store.tables.workers import workers


async def add_gap(connection: AsyncConnection, *, source: str, started_at: datetime, ended_at: datetime) -> None:
    """Note that events between these times may be missing."""
    values = {"gap_id": uuid7(), "source": source, "started_at": started_at, "ended_at": ended_at}
    await connection.execute(insert(gaps).values(values))


async def get_last_heard_at(connection: AsyncConnection, *, streamed: bool) -> datetime | None:
    """Return when a node that has not said goodbye was last heard; None if none is out there unheard.

    Asked of the nodes whose events wait for the mirror (`streamed`), or of all others. Nodes tell of themselves every
    2 s, so this is when some mirror last listened.
    """
    last = select(func.max(workers.c.last_heartbeat_at)).where(has_not_left(), workers.c.kept == streamed)
    heard_at: datetime | None = (await connection.execute(last)).scalar_one()
    return heard_at


async def get_last_gap_end(connection: AsyncConnection) -> datetime | None:
    """Return when the mirror was last deaf; None if it never was (index gaps_ended)."""
    ended_at: datetime | None = (await connection.execute(select(func.max(gaps.c.ended_at)))).scalar_one()
    return ended_at


async def overlaps_gap(connection: AsyncConnection, *, since: datetime, until: datetime) -> bool:
    """Tell whether the mirror was deaf at any moment of this time (index gaps_ended)."""
    query = select(gaps.c.gap_id).where(gaps.c.ended_at >= since, gaps.c.started_at <= until).limit(1)
    return (await connection.execute(query)).first() is not None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time during which a source of events was not heard."""

    gap_id: UUID
    source: str
    started_at: datetime
    ended_at: datetime


_cells = (gaps.c.gap_id, gaps.c.source, gaps.c.started_at, gaps.c.ended_at)


async def list_gaps(
    connection: AsyncConnection, *, after: datetime, before: datetime, limit: int, offset: int
) -> tuple[int, list[Gap]]:
    """Return how many gaps touch this time, and one page of them, newest first (index gaps_ended)."""
    touched = (gaps.c.ended_at >= after, gaps.c.started_at < before)
    total = (await connection.execute(select(func.count()).select_from(gaps).where(*touched))).scalar_one()
    page = select(*_cells).where(*touched).order_by(gaps.c.ended_at.desc(), gaps.c.gap_id.desc())
    return total, [Gap(*row) for row in await connection.execute(page.limit(limit).offset(offset))]
