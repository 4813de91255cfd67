"""Folds what writers have counted into the sums that analytics read, and drops sums that no window reaches."""

import time
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.queries import leadership, rollups

ROUND_SECONDS = 5.0
BATCH_SIZE = 5_000
PRUNE_SECONDS = 3600.0
# The longest window is 2,160 hours; the one of the worker grid a minute.
KEPT = timedelta(days=91)
KEPT_OF_NODES = timedelta(hours=1)

log = structlog.get_logger(__name__)


class RollupsRound:
    """Folds one batch; whatever the number of processes, one of them does so at a time."""

    def __init__(self, engine: AsyncEngine, *, batch_size: int = BATCH_SIZE) -> None:
        self._batch_size = batch_size
        self._engine = engine
        self._pruned_at = float("-inf")

    async def run_once(self) -> float:
        """Fold a batch; at once again while batches are full."""
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.ROLLUPS):
                return ROUND_SECONDS
            folded = await rollups.fold_deltas(connection, batch_size=self._batch_size)
            if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
                await self._prune(connection)
        return 0 if folded == self._batch_size else ROUND_SECONDS

    async def _prune(self, connection: AsyncConnection) -> None:
        removed = await rollups.delete_old_sums(connection, max_age=KEPT, max_age_of_nodes=KEPT_OF_NODES)
        self._pruned_at = time.monotonic()
        if removed:
            log.info("rollups_pruned", rows=removed)
