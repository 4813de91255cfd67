"""Deletes what is older than its retention: ended tasks and workflows in batches, then whole days of events and of
the feed.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.retention import Retention
from store.queries import feed, leadership, retention
from store.queries.workers import strangers

ROUND_SECONDS = 300.0
# 30 ms (p99 100) on two cores, of locks on tasks that hardly anybody wants.
BATCH_SIZE = 1_000
STRAYS_AT_ONCE = 10_000
LOCK_REFUSED = frozenset({"55P03", "40P01"})
"""Errors by which Postgres refuses a lock: not within its time limit, or not without a deadlock."""

log = structlog.get_logger(__name__)


class DropsDay(Protocol):
    """A statement that drops the oldest day of something."""

    async def __call__(self, connection: AsyncConnection, /, *, kept_for: timedelta) -> str | None: ...


class RetentionRound:
    """Deletes one batch of each status, or one day of events; one process at a time does it."""

    def __init__(
        self,
        engine: AsyncEngine,
        retention: Retention,
        *,
        workers_kept_for: timedelta | None = None,
        feed_kept_for: timedelta | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._batch_size = batch_size
        self._engine = engine
        self._retention = retention
        self._workers_kept_for = workers_kept_for
        self._feed_kept_for = feed_kept_for

    async def run_once(self) -> float:
        """Delete the oldest; at once again while there may be more."""
        await self._forget_workers()
        if await self._delete_batch() or await self._drop_days() or await self._delete_strays():
            return 0
        return ROUND_SECONDS

    async def _forget_workers(self) -> None:
        if self._workers_kept_for is None:
            return
        async with self._engine.begin() as connection:
            count = await strangers.forget_old(connection, kept_for=self._workers_kept_for, most=self._batch_size)
        if count:
            log.info("workers_forgotten", count=count)

    async def _delete_batch(self) -> bool:
        """Whether there may be more."""
        tasks = workflows = 0
        is_full = False
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.RETENTION):
                return False
            for status, age in self._retention.ages().items():
                deleted = await retention.delete_tasks(
                    connection, status=status, kept_for=age, batch_size=self._batch_size
                )
                tasks += deleted
                is_full |= deleted == self._batch_size
                workflows += await retention.delete_workflows(
                    connection, status=status, kept_for=age, batch_size=self._batch_size
                )
        if tasks or workflows:
            log.info("tasks_expired", count=tasks, workflows=workflows)
        return is_full or workflows > 0

    async def _drop_days(self) -> bool:
        """Drop the oldest day of events, after the tasks that it tells of, and of the feed; whether there was one."""
        dropped = False
        if self._retention.of_events is not None:
            dropped = await self._drop_day(retention.drop_oldest_day, kept_for=self._retention.of_events)
        if self._feed_kept_for is not None:
            dropped |= await self._drop_day(feed.drop_oldest_day, kept_for=self._feed_kept_for)
        return dropped

    async def _delete_strays(self) -> bool:
        """Delete changes of before the days that are kept, which lie in none of them; whether there may be more.

        There are some only where nobody had made the partition of their day in time.
        """
        if self._feed_kept_for is None:
            return False
        before = datetime.combine((datetime.now(UTC) - self._feed_kept_for).date(), datetime.min.time(), UTC)
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.RETENTION):
                return False
            count = await feed.delete_strays(connection, before=before, batch_size=STRAYS_AT_ONCE)
        if count:
            log.info("feed_strays_deleted", count=count)
        return count == STRAYS_AT_ONCE

    async def _drop_day(self, drop: DropsDay, *, kept_for: timedelta) -> bool:
        try:
            async with self._engine.begin() as connection:
                if not await leadership.take(connection, leadership.RETENTION):
                    return False
                day = await drop(connection, kept_for=kept_for)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in LOCK_REFUSED:
                raise
            log.warning("partition_not_dropped", error=type(error.orig).__name__, again_in=ROUND_SECONDS)
            return False
        if day:
            log.info("partition_dropped", partition=day)
        return day is not None
