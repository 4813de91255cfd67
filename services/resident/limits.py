"""What workers can hold a submission to: read again every few seconds, so that no request waits for it."""

import asyncio
from collections.abc import Mapping

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from background import Resident, start_rounds
from domain.alerts.rules import AlertType
from domain.consumers import Consumers
from domain.limits import explain_limits
from gateway.layout import Layout
from store.engine import stating
from store.queries import alerts
from store.queries.workers.consumers import get_consumers, get_retry_limits

READ_SECONDS = 2.0

log = structlog.get_logger(__name__)


class Limits(Resident):
    """`async with Limits(engine) as limits: limits.explain(...)`."""

    def __init__(self, engine: AsyncEngine, layout: Layout | None = None, *, on_redis: bool = True) -> None:
        """Prepare to read; what workers say of the broker is passed on to `layout`."""
        self._engine = engine
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
            await self.read()
        except (SQLAlchemyError, OSError) as error:
            # While Postgres is away what was known a moment ago will do.
            log.warning("limits_not_read", error=type(error).__name__)
        await asyncio.sleep(READ_SECONDS)
