"""What `/metrics` tells of the other processes, as Postgres, Redis and the broker know it. The same from every API.

A component that does not answer in time is left out, not awaited: a frozen server may hold even its cancellation.
Scrapes that come meanwhile wait for the same question, so that however many ask, each component has one at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import BROKER
from domain.health import DATABASE
from gateway.event_backlog import Backlog, count_in_queue, read_stream_backlog
from gateway.queues import QueueReader
from services.resident.counters import CounterName, read_counters
from store.queries.for_metrics import StoreFigures, count_open_alerts, get_figures

REDIS = "redis"
LIMIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ScrapeFigures:
    """What PostgreSQL, Redis and the broker told for one scrape; None is what was not told in time."""

    database: StoreFigures | None
    open_alerts: Mapping[tuple[str, str], int] | None
    counters: Mapping[CounterName, int] | None
    in_stream: Backlog | None
    in_queue: int | None

    def answered(self) -> dict[str, bool]:
        """Map each component to whether it answered in time."""
        return {
            DATABASE: self.database is not None,
            REDIS: self.counters is not None,
            BROKER: self.in_queue is not None,
        }


class MetricsSources:
    """Asks the components for a scrape. `engine` is not that of requests: a busy pool is a figure, and must not hide
    others.
    """

    def __init__(self, engine: AsyncEngine, redis: Redis, *, queues: QueueReader) -> None:
        self._engine = engine
        self._redis = redis
        self._queues = queues
        self._asking: dict[str, asyncio.Task[Any]] = {}

    async def read(self) -> ScrapeFigures:
        """Ask every component and return what they tell within 1 s."""
        asked = {
            DATABASE: self._ask(DATABASE, self._ask_database),
            REDIS: self._ask(REDIS, self._ask_redis),
            BROKER: self._ask(BROKER, self._ask_broker),
        }
        await asyncio.wait(asked.values(), timeout=LIMIT_SECONDS)
        answers = {component: _answer(task) for component, task in asked.items()}
        database, open_alerts = answers[DATABASE] or (None, None)
        counters, in_stream = answers[REDIS] or (None, None)
        return ScrapeFigures(database, open_alerts, counters, in_stream, in_queue=answers[BROKER])

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        for task in self._asking.values():
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=LIMIT_SECONDS)

    def _ask(self, component: str, ask: Callable[[], Awaitable[Any]]) -> "asyncio.Task[Any]":
        """The question that is on its way, or else a new one."""
        if component not in self._asking:
            task = self._asking[component] = asyncio.create_task(_as_coroutine(ask), name=f"metrics-{component}")
            task.add_done_callback(partial(self._note_end, component))
        return self._asking[component]

    def _note_end(self, component: str, task: "asyncio.Task[Any]") -> None:
        """Only the class of an error: its text may hold secrets."""
        del self._asking[component]
        if not task.cancelled() and (error := task.exception()):
            log.debug("figures_not_read", part=component, error=type(error).__name__)

    async def _ask_database(self) -> tuple[StoreFigures, dict[tuple[str, str], int]]:
        async with self._engine.connect() as connection:
            return await get_figures(connection), await count_open_alerts(connection)

    async def _ask_redis(self) -> tuple[dict[CounterName, int], Backlog]:
        return await read_counters(self._redis), await read_stream_backlog(self._redis)

    async def _ask_broker(self) -> int:
        return await count_in_queue(self._queues)


async def _as_coroutine(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()


def _answer(task: "asyncio.Task[Any]") -> Any:
    """Return the answer; None without one, which the scrape says by `celeriac_up`."""
    return task.result() if task.done() and not task.cancelled() and task.exception() is None else None
