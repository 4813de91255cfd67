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
from gateway.ports import KnowsConnections, PutsBackFetched
from gateway.recall import FetchedMessage
from loops.lost.seen_twice import BETWEEN_LOOKS, SeenTwice
from services.proofs import Proofs, record_held
from services.resident.signs_of_life import is_alive
from store.queries import leadership, stuck_messages

ROUND_SECONDS = 10.0
FETCHED = timedelta(seconds=60)
"""A worker tells of what it has fetched within a moment."""
BATCH_SIZE = 5_000
"""Messages looked at, the longest held first. Where workers hold more than that for long, later strays wait."""

EVER = datetime.fromtimestamp(0, UTC)
UNKNOWN = ServerLife(None, None)
"""Whatever life: what lies in the broker it has not lost."""

log = structlog.get_logger(__name__)


class StuckMessagesRound:
    """One look at what has been fetched for longer than a minute. One process at a time does it, for all of a look."""

    def __init__(
        self,
        engine: AsyncEngine,
        recall: PutsBackFetched,
        *,
        proofs: Proofs,
        presence: KnowsConnections,
        redis: Redis,
        between_looks: timedelta = BETWEEN_LOOKS,
    ) -> None:
        self._engine = engine
        self._recall = recall
        self._proofs = proofs
        self._presence = presence
        self._redis = redis
        self._seen_twice = SeenTwice(between_looks=between_looks)

    async def run_once(self) -> float:
        """Find, prove, put back. Raises BrokerUnavailable."""
        async with self._engine.begin() as leading:
            if not await leadership.take(leading, leadership.STRAYS):
                return ROUND_SECONDS
            now = datetime.now(UTC)
            before = now - FETCHED
            fetched = await self._recall.list_fetched(before=before, limit=BATCH_SIZE)
            unheld = (
                await stuck_messages.list_unheld(leading, {held.task_id for held in fetched})
                if fetched
                else frozenset()
            )
            absent = await self._absent([held for held in fetched if held.task_id in unheld])
            proven = set(self._seen_twice.missing_again(absent, looked_at=unheld, now=now))
            if proven:
                strayed = [held for held in fetched if held.task_id in proven]
                back = await self._recall.put_back_fetched(strayed, before=before)
                log.warning("strays_put_back", count=len(back))
            return ROUND_SECONDS

    async def _absent(self, fetched: Sequence[FetchedMessage]) -> frozenset[str]:
        """Those that no worker has; none while one is connected and silent, or the mirror does not hear."""
        if not fetched or not await is_alive(self._redis, MIRROR):
            return frozenset()
        async with self._engine.connect() as connection:
            silent = await stuck_messages.list_silent_nodes(connection)
        if not await self._presence.find_absent(silent) >= silent:
            return frozenset()
        suspects = [Suspect(held.task_id, held.queue_name, held.fetched_at or EVER) for held in fetched]
        judged = await self._proofs.judge(suspects, life=UNKNOWN, keys={}, resends=False)
        async with self._engine.begin() as connection:
            await record_held(connection, judged.held)
        return frozenset(judged.proofs)
