"""Looks for workers that say nothing of themselves: without heartbeats or events they are known by answers alone.

Whoever is found is alive. Nobody is dead because he was not found: that takes the proofs of `rescue` and `drains`.
"""

from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.ports import AsksNodes, KnowsConnections
from store.queries import leadership
from store.queries.workers import signs

ROUND_SECONDS = 30.0
"""Time between two looks: a third of that after which a worker without heartbeats counts as gone."""
RARE_SECONDS = 300.0
"""Time between two looks where each may be a traceback in the log of somebody who cannot read it."""
MAX_NODES = 5_000

log = structlog.get_logger(__name__)


class PresenceRound:
    """Asks everybody one question. One process at a time does it."""

    def __init__(
        self, engine: AsyncEngine, control: AsksNodes, *, presence: KnowsConnections, any_can_read: bool
    ) -> None:
        """Prepare to ask; `any_can_read`: whether every worker of this broker can read our questions, whatever it
        accepts.
        """
        self._engine = engine
        self._control = control
        self._presence = presence
        self._any_can_read = any_can_read

    async def run_once(self) -> float:
        """Ask, and note who is there. Raises BrokerUnavailable."""
        async with self._engine.begin() as leading:
            if not await leadership.take(leading, leadership.PRESENCE):
                return ROUND_SECONDS
            present = await self._control.find_present()
            fading = await signs.list_fading(leading, limit=MAX_NODES)
            if silent := fading - present:
                present |= await self._presence.find_connected(silent)
            if present:
                await signs.see(leading, dict.fromkeys(sorted(present)[:MAX_NODES], datetime.now(UTC)))
            log.debug("workers_looked_for", found=len(present))
            is_unread = not self._any_can_read and await signs.is_somebody_silent(leading)
        return RARE_SECONDS if is_unread else ROUND_SECONDS
