"""Tells people of alerts: plans the messages that are due, and sends what is planned, a few at a time."""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.notifications.sender import MAX_AT_ONCE, Sender
from services.notifications.messages import LEASE, deliver, plan
from store.queries.notifications.messages import Claimed, claim_due

ROUND_SECONDS = 2.0

log = structlog.get_logger(__name__)


class NotificationsRound:
    """Plans and sends once. Any number of processes may: one at a time plans, and each message is leased by one."""

    def __init__(self, engine: AsyncEngine, sender: Sender, *, public_url: str | None) -> None:
        self._engine = engine
        self._sender = sender
        self._public_url = public_url

    async def run_once(self) -> float:
        """Plan what is due and send some of what is planned; at once again if there may be more."""
        async with self._engine.begin() as connection:
            await plan(connection, public_url=self._public_url)
        async with self._engine.begin() as connection:
            claimed = await claim_due(connection, most=MAX_AT_ONCE, lease=LEASE)
        if not claimed:
            await self._sender.rest()
            return ROUND_SECONDS
        await asyncio.gather(*map(self._deliver, claimed))
        return 0

    async def _deliver(self, claimed: Claimed) -> None:
        """Send one message; whatever goes wrong with it, the others are sent, and its lease ends."""
        try:
            await deliver(self._engine.begin, self._sender, claimed=claimed, now=datetime.now(UTC))
        except Exception as error:  # of the database: the message is sent again when its lease is over
            log.warning("notification_unsettled", message_id=str(claimed.message_id), error=type(error).__name__)
