"""Hands due tasks to the broker: woken by each submission, and by the clock for scheduled tasks.

What is marked `queue_only` stays in the outbox. While the breaker is open the broker is asked whether it is back, and
no rows are claimed for it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.breakers import OPEN_AFTER, Breaker, BreakerState
from domain.degradation import BROKER, BlockedWork, KnowsMarks, blocked_by
from domain.errors import BrokerUnavailable
from gateway.ports import Publishes, ReadsQueues
from services.dispatch import BATCH_SIZE, REFUSED_BATCH, WorkersTold, dispatch_due, dispatch_refused, read_told
from store.queries import outbox

# A notification is what wakes us; `loops/glance.py` finds within 0.5 s what was due while we could not listen.
POLL_SECONDS = 30.0
REFUSED_SECONDS = 1.0
# A scheduled task goes out within 100 ms of its time; the next look is never sooner than this.
SHORTEST_PAUSE_SECONDS = 0.005
# So long the next batch may grow under load: a round costs a dozen statements, however small its batch. Measured with
# submissions on 32 connections: x 1.2 of them. The first task after a quiet moment waits for nothing.
GATHERING_SECONDS = 0.01
ALONE = 1
"""A round of so few is no load: the next task may be the next step of a chain, which waits for this one's end."""
MANY = 20
MANY_GATHERING_SECONDS = 0.03
"""How long it may grow where the last one held many: of them one that waits a little longer is not noticed."""
TOLD_SECONDS = 0.5
"""How long what workers have said of themselves is believed: reading it is a fifth of a small round. New ones are asked
once a second.
"""

log = structlog.get_logger(__name__)


class DispatchRound:
    """Dispatches one batch. Any number of processes may run this side by side.

    `tell_published` is called with the number of tasks that a round has handed to the broker.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publishes,
        *,
        marks: KnowsMarks,
        broker: ReadsQueues,
        tell_published: Callable[[int], None] = lambda _: None,
        batch_size: int = BATCH_SIZE,
        open_after: timedelta = OPEN_AFTER,
    ) -> None:
        self._batch_size = batch_size
        self._engine = engine
        self._publisher = publisher
        self._marks = marks
        self._broker = broker
        self._tell_published = tell_published
        self._breaker = Breaker(open_after=open_after)
        self._told: WorkersTold | None = None
        self._told_at = 0.0

    async def run_once(self) -> float:
        """Dispatch what is due; returns the seconds until something else may be. Raises BrokerUnavailable."""
        if (await self._blocked_work()).everything:
            return POLL_SECONDS
        if self._breaker.state is BreakerState.OPEN:
            await self._broker.ping()
            self._note(self._breaker.succeeded())
        try:
            async with self._engine.begin() as connection:
                done = await dispatch_due(
                    connection,
                    self._publisher,
                    blocked=self._blocked_work,
                    told=self._recently_told,
                    batch_size=self._batch_size,
                )
                left = await outbox.get_time_to_next_due(connection)
        except BrokerUnavailable:
            self._note(self._breaker.failed(datetime.now(UTC)))
            raise
        if done.published:
            self._tell_published(done.published)
            self._note(self._breaker.succeeded())
        if done.claimed:
            log.info("dispatched", published=done.published, cancelled=done.cancelled, claimed=done.claimed)
        if done.claimed == self._batch_size:
            return 0
        if done.claimed > ALONE:
            await asyncio.sleep(MANY_GATHERING_SECONDS if done.claimed >= MANY else GATHERING_SECONDS)
        return POLL_SECONDS if left is None else min(POLL_SECONDS, max(SHORTEST_PAUSE_SECONDS, left.total_seconds()))

    async def _blocked_work(self) -> BlockedWork:
        return blocked_by(await self._marks.fresh())

    async def _recently_told(self, connection: AsyncConnection) -> WorkersTold:
        now = time.monotonic()
        if self._told is None or now - self._told_at > TOLD_SECONDS:
            self._told, self._told_at = await read_told(connection), now
        return self._told

    def _note(self, breaker: Breaker) -> None:
        if breaker.state is not self._breaker.state:
            log.warning("breaker_changed", part=BROKER, state=breaker.state.value)
        self._breaker = breaker


class RefusedRound:
    """Offers what the broker has refused before again, one by one, with a publisher of its own.

    However many they are and however long each takes, the tasks of `DispatchRound` do not wait for them.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publishes,
        *,
        marks: KnowsMarks,
        tell_published: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._marks = marks
        self._tell_published = tell_published

    async def run_once(self) -> float:
        """Offer what is due; returns the seconds until the next look. Raises BrokerUnavailable."""
        if (await self._blocked_work()).everything:
            return REFUSED_SECONDS
        async with self._engine.begin() as connection:
            done = await dispatch_refused(connection, self._publisher, blocked=self._blocked_work)
        if done.published:
            self._tell_published(done.published)
        if done.claimed:
            log.info("refused_again", published=done.published, refused=done.refused, claimed=done.claimed)
        return 0 if done.published or done.claimed == REFUSED_BATCH else REFUSED_SECONDS

    async def _blocked_work(self) -> BlockedWork:
        return blocked_by(await self._marks.fresh())
