"""Keeps the daily partitions of `events` and of `feed` ready a week ahead."""

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from store.queries import partitions

ROUND_SECONDS = 3600.0
DAYS_AHEAD = 7

log = structlog.get_logger(__name__)


class PartitionsRound:
    """Makes the partitions that are missing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run_once(self) -> float:
        """Make what is missing from today on."""
        async with self._engine.begin() as connection:
            made = await partitions.make_event_partitions(connection, days=DAYS_AHEAD + 1)
            made += await partitions.make_feed_partitions(connection, days=DAYS_AHEAD + 1)
        if made:
            log.info("partitions_made", count=made)
        return ROUND_SECONDS
