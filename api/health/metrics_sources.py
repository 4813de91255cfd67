"""What `/metrics` tells of the other processes, as Postgres, Redis and the broker know it. The same from every API.

A store that does not answer in time is left out (`services/components.py`). Scrapes that come meanwhile wait for the
same question, so that however many ask, each store has one question at a time.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import BROKER
from domain.health import DATABASE, REDIS
from gateway.events.backlog import Backlog, count_in_queue, read_stream_backlog
from gateway.queues import QueueReader
from services.components import Questions
from services.resident.counters import CounterName, read_counters
from store.queries.for_metrics import StoreFigures, count_open_alerts, get_figures

LIMIT_SECONDS = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ScrapeFigures:
    """What PostgreSQL, Redis and the broker told for one scrape; None is what was not told in time."""

    store: StoreFigures | None
    open_alerts: Mapping[tuple[str, str], int] | None
    counters: Mapping[CounterName, int] | None
    in_stream: Backlog | None
    in_queue: int | None

    def answered(self) -> dict[str, bool]:
        """Map each store to whether it answered in time."""
        return {
            DATABASE: self.store is not None,
            REDIS: self.counters is not None,
            BROKER: self.in_queue is not None,
        }


class MetricsSources:
    """Asks the stores for a scrape. `engine` is not that of requests: a busy pool is a figure, and must not hide
    others.
    """

    def __init__(self, engine: AsyncEngine, redis: Redis, *, queues: QueueReader) -> None:
        self._engine = engine
        self._redis = redis
        self._queues = queues
        self._questions = Questions()

    async def read(self) -> ScrapeFigures:
        """Ask every store and return what they tell within 1 s."""
        database = self._questions.ask(DATABASE, self._ask_database)
        redis = self._questions.ask(REDIS, self._ask_redis)
        broker = self._questions.ask(BROKER, self._ask_broker)
        await asyncio.wait([database, redis, broker], timeout=LIMIT_SECONDS)
        store, open_alerts = _answer(DATABASE, database) or (None, None)
        counters, in_stream = _answer(REDIS, redis) or (None, None)
        return ScrapeFigures(store, open_alerts, counters, in_stream, in_queue=_answer(BROKER, broker))

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        await self._questions.close(limit_seconds=LIMIT_SECONDS)

    async def _ask_database(self) -> tuple[StoreFigures, dict[tuple[str, str], int]]:
        async with self._engine.connect() as connection:
            return await get_figures(connection), await count_open_alerts(connection)

    async def _ask_redis(self) -> tuple[dict[CounterName, int], Backlog]:
        return await read_counters(self._redis), await read_stream_backlog(self._redis)

    async def _ask_broker(self) -> int:
        return await count_in_queue(self._queues)


def _answer(store: str, task: "asyncio.Task[T]") -> T | None:
    """Return the answer; None without one, which the scrape says by `celeriac_up`."""
    if not task.done() or task.cancelled():
        return None
    if error := task.exception():
        log.debug("figures_not_read", part=store, error=type(error).__name__)
        return None
    return task.result()
