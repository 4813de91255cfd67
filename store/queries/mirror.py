"""How far the mirror is behind, and how often it could not hear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.look import text_of
from store.queries.workers.nodes import is_online
from store.tables.tasks import gaps
from store.tables.workers import workers


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How the mirror is, by the database's clock, which receipt times are compared with everywhere."""

    lag_seconds: float | None
    """Seconds since the last sign of life of any node that is online; None while none is."""
    gaps_24h: int
    online_count: int
    """How many nodes are online."""


GAPS_WITHIN = timedelta(days=1)

_lag = func.extract("epoch", func.now() - func.max(workers.c.last_heartbeat_at))
_gaps = select(func.count()).select_from(gaps).where(gaps.c.ended_at >= func.now() - literal(GAPS_WITHIN))
_state = select(_lag, _gaps.scalar_subquery(), func.count()).where(is_online())


STATE = text_of(_state)
"""The statement whose row `read_state` reads."""


async def get_state(connection: AsyncConnection) -> MirrorState:
    """Return the mirror as its own facts show it (workers is small; index gaps_ended)."""
    return read_state((await connection.execute(_state)).one())


def read_state(row: Sequence[Any]) -> MirrorState:
    """Return what the row says."""
    lag, gap_count, online_count = row
    return MirrorState(None if lag is None else max(0.0, float(lag)), gap_count, online_count)
