"""Puts back messages on Redis that the broker counts as fetched and that no worker has.

When a connection breaks just as a message is fetched, the worker comes back without it; the broker would give it out
again only after the visibility timeout, which is hours. RabbitMQ gives it out at once, by itself.

A message that was fetched belongs to somebody. It is taken from nobody whom we cannot ask: only where each consumer of
its queue says that it does not have it, and would have told of it, is it a stray (`domain/proofs.py`). Any other is
left to the broker.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import MIRROR
from domain.proofs import ServerLife, Suspect
from gateway.message_mover import FetchedMessage
from gateway.ports import KnowsConnections, PutsBackFetched
from loops.lost.seen_twice import BETWEEN_LOOKS, SeenTwice
from services.lost.proofs import Proofs, record_held
from services.resident.signs_of_life import is_alive
from store.engine import stating
from store.queries import leadership
from store.queries.lost import stuck_messages

ROUND_SECONDS = 10.0
FETCHED = timedelta(seconds=60)
"""How long a worker may take to tell of what it has fetched."""
BATCH_SIZE = 5_000
"""How many messages are looked at, the longest held first. Where workers hold more for long, later strays wait."""

EVER = datetime.fromtimestamp(0, UTC)
UNKNOWN = ServerLife(None, None)
"""The life of a server of which nothing is asked: what lies in the broker it has not lost."""

log = structlog.get_logger(__name__)


class StuckMessagesRound:
    """Looks once at what was fetched more than a minute ago. One process at a time does it, for all of a look."""

    def __init__(
        self,
        engine: AsyncEngine,
        mover: PutsBackFetched,
        *,
        proofs: Proofs,
        presence: KnowsConnections,
        redis: Redis,
        between_looks: timedelta = BETWEEN_LOOKS,
    ) -> None:
        self._engine = engine
        self._mover = mover
        self._proofs = proofs
        self._presence = presence
        self._redis = redis
        self._seen_twice = SeenTwice(between_looks=between_looks)

    async def run_once(self) -> float:
        """Find, prove, put back. Raises BrokerUnavailable."""
        async with self._engine.begin() as leading:
            if not await leadership.take(leading, leadership.STUCK_MESSAGES):
                return ROUND_SECONDS
            now = datetime.now(UTC)
            before = now - FETCHED
            fetched = await self._mover.list_fetched(before=before, limit=BATCH_SIZE)
            unheld = (
                await stuck_messages.list_unheld(leading, {message.task_id for message in fetched})
                if fetched
                else frozenset()
            )
            absent = await self._absent([message for message in fetched if message.task_id in unheld])
            proven = set(self._seen_twice.missing_again(absent, looked_at=unheld, now=now))
            if proven:
                strayed = [message for message in fetched if message.task_id in proven]
                back = await self._mover.put_back_fetched(strayed, before=before)
                log.warning("strays_put_back", count=len(back))
            return ROUND_SECONDS

    async def _absent(self, fetched: Sequence[FetchedMessage]) -> frozenset[str]:
        """Return those that no worker has; none while one is connected and silent, or the mirror does not hear."""
        if not fetched or not await is_alive(self._redis, MIRROR):
            return frozenset()
        async with stating(self._engine) as connection:
            silent = await stuck_messages.list_silent_nodes(connection)
        if not await self._presence.find_absent(silent) >= silent:
            return frozenset()
        suspects = [Suspect(message.task_id, message.queue_name, message.fetched_at or EVER) for message in fetched]
        judged = await self._proofs.judge(suspects, life=UNKNOWN, keys={}, resends=False)
        async with self._engine.begin() as connection:
            await record_held(connection, judged.holders)
        return frozenset(judged.proofs)
