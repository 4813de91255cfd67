"""Removes what is kept only for a time: idempotency keys after their 24 hours, sessions that are over, old messages and
alerts.
"""

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.idempotency import KEPT_FOR
from domain.notifications.delivery import KEPT_FOR as MESSAGES_KEPT_FOR
from domain.sessions import IDLE
from store.queries import alerts, idempotency, sessions
from store.queries.notifications import messages

ROUND_SECONDS = 60.0
BATCH_SIZE = 5_000
ALERTS_KEPT_FOR = timedelta(days=90)
"""How long alerts are kept that are resolved."""

log = structlog.get_logger(__name__)


class ExpiryRound:
    """Removes one batch. What is still there does no harm: an old key counts as unused, and no old session opens."""

    def __init__(self, engine: AsyncEngine, *, batch_size: int = BATCH_SIZE) -> None:
        self._batch_size = batch_size
        self._engine = engine

    async def run_once(self) -> float:
        """Remove the oldest; at once again if there may be more."""
        async with self._engine.begin() as connection:
            over = await sessions.remove_over(connection, idle=IDLE)
            forgotten = await idempotency.forget_old(connection, kept_for=KEPT_FOR, limit=self._batch_size)
            await messages.forget_old(connection, older_than=MESSAGES_KEPT_FOR)
            await alerts.forget_resolved(connection, older_than=ALERTS_KEPT_FOR)
        if over:
            log.info("sessions_expired", count=over)
        if forgotten:
            log.info("idempotency_keys_expired", count=forgotten)
        return 0 if forgotten == self._batch_size else ROUND_SECONDS
