"""What processes other than the API have done, counted in Redis, where any API process finds it (`/metrics`)."""

import asyncio
from collections import Counter
from enum import StrEnum

from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.redis_keys import COUNTERS_KEY

TELL_SECONDS = 1.0


class CounterName(StrEnum):
    """The fields of the key; each only ever grows, until Redis loses its data."""

    EVENTS_APPLIED = "events_applied"
    """Celery events that a mirror has committed, heartbeats included."""
    EVENTS_REFUSED = "events_refused"
    """What came as an event and was none, or could not be stored: skipped."""
    DISPATCHED = "dispatched"
    """Tasks that the broker has taken; one that goes again counts again."""
    WEBHOOKS_DELIVERED = "webhooks_delivered"
    """Attempts to deliver to a webhook that were answered with 2xx."""
    WEBHOOKS_FAILED = "webhooks_failed"
    """Attempts to deliver to a webhook that came to anything else."""


class Counters(Resident):
    """`async with Counters(redis) as counters: counters.add(CounterName.DISPATCHED, 3)`; `add` never waits.

    All processes of a kind add to the same sums. What Redis does not take is kept and told later; after a lost answer
    it may be told twice, and what was counted in the last second before a kill is lost: good enough for a rate.
    """

    def __init__(self, redis: Redis, *, tell_seconds: float = TELL_SECONDS) -> None:
        self._redis = redis
        self._tell_seconds = tell_seconds
        self._untold: Counter[CounterName] = Counter()
        self._counted = asyncio.Event()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self._tell()

    def add(self, counted: CounterName, count: int) -> None:
        """Add `count` to this counter."""
        if count:
            self._untold[counted] += count
            self._counted.set()

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._tell_now_and_then, name="counters")]

    async def _tell_now_and_then(self) -> None:
        await self._counted.wait()
        await self._tell()
        if not self._untold:
            self._counted.clear()
        await asyncio.sleep(self._tell_seconds)

    async def _tell(self) -> None:
        """Says nothing when Redis is away: the mirror's sign of life and COMPONENT_DOWN do."""
        for counted, count in list(self._untold.items()):
            try:
                await self._redis.hincrby(COUNTERS_KEY, counted, count)
            except (RedisError, OSError):
                return
            self._untold[counted] -= count
            if not self._untold[counted]:
                del self._untold[counted]


async def read_counters(redis: Redis) -> dict[CounterName, int]:
    """Return all counters, 0 for what was never counted. Raises what the client raises."""
    values = await redis.hmget(COUNTERS_KEY, list(CounterName))
    return {counted: int(value or 0) for counted, value in zip(CounterName, values, strict=True)}
