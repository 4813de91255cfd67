"""The components that health is made of, and how each is asked. `probe.py` asks them and keeps the deadlines."""

from collections.abc import Mapping

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.health.probe import Check, Unwell
from domain.degradation import BROKER, MIRROR, RESULT_BACKEND, WORKERS
from domain.health import DATABASE, LOOPS
from gateway.queues import QueueReader
from gateway.results import ResultReader
from services.resident.signs_of_life import is_alive, list_lives, process_of
from store.queries.mirror import MirrorState, get_state
from store.queries.workers import count_online

REDIS = "redis"


class HealthChecks:
    """The questions behind `/health`. `engine` is the probe's own: a pool that requests keep busy is no unhealthy
    database.
    """

    def __init__(self, engine: AsyncEngine, redis: Redis, *, queues: QueueReader, results: ResultReader) -> None:
        self._engine = engine
        self._redis = redis
        self._queues = queues
        self._results = results
        self.mirror: MirrorState | None = None
        """As the last check found it."""
        self._ended: dict[str, frozenset[str]] = {}
        """By kind of process, the lives that had ended unasked by the last check."""

    def by_name(self) -> Mapping[str, Check]:
        """Return the checks, by the name of their component."""
        return {
            DATABASE: self._check_database,
            REDIS: self._check_redis,
            BROKER: self._check_broker,
            RESULT_BACKEND: self._check_result_backend,
            WORKERS: self._check_workers,
            MIRROR: self._check_mirror,
            LOOPS: self._check_loops,
        }

    async def _check_database(self) -> bool:
        async with self._engine.connect() as connection:
            await connection.execute(text("select 1"))
        return True

    async def _check_redis(self) -> bool:
        return bool(await self._redis.ping())

    async def _check_broker(self) -> bool:
        await self._queues.ping()
        return True

    async def _check_result_backend(self) -> bool:
        await self._results.ping()
        return True

    async def _check_workers(self) -> bool:
        async with self._engine.connect() as connection:
            if not await count_online(connection):
                raise Unwell("no worker is online")
        return True

    async def _check_mirror(self) -> bool:
        """Judge the mirror by its own sign of life: silent nodes are no sign of a deaf mirror."""
        async with self._engine.connect() as connection:
            self.mirror = await get_state(connection)
        if not await is_alive(self._redis, MIRROR):
            raise Unwell("no mirror gives a sign of life")
        await self._check_ends(MIRROR)
        return True

    async def _check_loops(self) -> bool:
        if not await is_alive(self._redis, LOOPS):
            raise Unwell("no loops give a sign of life")
        await self._check_ends(LOOPS)
        return True

    async def _check_ends(self, process: str) -> None:
        """One round says that a process has ended, even where the next one was there within a moment."""
        lives = await list_lives(self._redis)
        ended = frozenset(life for life, is_there in lives.items() if process_of(life) == process and not is_there)
        count_before, self._ended[process] = self._ended.get(process, ended), ended
        if ended - count_before:
            raise Unwell("a process ended unasked")
