"""What workers can hold a submission to: read again every few seconds, so that no request waits for it."""

import asyncio
import time
from collections.abc import Mapping

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from background import Resident, start_rounds
from domain.alerts.rules import AlertType
from domain.consumers import Consumers
from domain.limits import explain_limits
from gateway.layout import Layout
from store.engine import stating
from store.look import Asks
from store.queries import alerts
from store.queries.workers.consumers import get_consumers, get_retry_limits

LOOK_SECONDS = 2.0
"""How often it is looked whether workers have said anything else."""
READ_SECONDS = 6.0
"""How often all is read though they have not: what they said ages."""

log = structlog.get_logger(__name__)


class Limits(Resident):
    """`async with Limits(engine, look) as limits: limits.explain(...)`."""

    def __init__(self, engine: AsyncEngine, look: Asks, *, layout: Layout | None = None, on_redis: bool = True) -> None:
        """Prepare to read; what workers say of the broker is passed on to `layout`. `look` asks
        `store.queries.workers.consumers.LAST_TOLD`."""
        self._engine = engine
        self._look = look
        self._last_told: object = None
        self._read_at = float("-inf")
        self._layout = layout or Layout()
        self._on_redis = on_redis
        self._consumers = Consumers()
        self._differing: str | None = None
        self._own_retries: Mapping[str, int] = {}

    @property
    def own_retries(self) -> Mapping[str, int]:
        """Return the `max_retries` that tasks have by themselves, by name, as workers report it."""
        return self._own_retries

    def explain(
        self, task_name: str | None, queue_name: str | None, *, timeout_seconds: int | None, max_retries: int | None
    ) -> str | None:
        """Say which of a task's limits do not hold on the queue's workers; None if all do."""
        return explain_limits(
            self._consumers,
            queue_name=queue_name or "",
            timeout_seconds=timeout_seconds,
            max_retries=max_retries,
            own_limit=self._own_retries.get(task_name or ""),
            on_redis=self._on_redis,
            differing=self._differing,
        )

    async def read(self) -> None:
        """Read what the workers say now."""
        async with stating(self._engine) as connection:
            self._consumers = await get_consumers(connection)
            self._own_retries = await get_retry_limits(connection)
            self._differing = await alerts.get_open_description(
                connection, AlertType.BROKER_OPTIONS_DIFFER, subject="global_keyprefix"
            )
        self._layout.learn(self._consumers)

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._watch, name="limits")]

    async def _watch(self) -> None:
        try:
            last_told = await self._look.ask()
            if last_told != self._last_told or time.monotonic() - self._read_at >= READ_SECONDS:
                self._read_at = time.monotonic()
                await self.read()
                self._last_told = last_told
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            # While Postgres is away what was known a moment ago will do.
            log.warning("limits_not_read", error=type(error).__name__)
        await asyncio.sleep(LOOK_SECONDS)
