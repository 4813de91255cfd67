"""The text of `/metrics`, made at most once a second: it is open by default, and costs more than most requests do."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from api.health.metrics import Metrics
from api.health.metrics_sources import MetricsSources
from api.health.probe import HealthProbe
from store.engine import pool_use

KEPT_SECONDS = 1.0


class Scrapes:
    """Makes one text at a time, however many ask, and gives it to all of them."""

    def __init__(
        self,
        metrics: Metrics,
        sources: MetricsSources,
        *,
        probe: HealthProbe,
        engine: AsyncEngine,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._kept_seconds = kept_seconds
        self._metrics = metrics
        self._sources = sources
        self._probe = probe
        self._engine = engine
        self._making: asyncio.Task[bytes] | None = None
        self._made_at = 0.0

    async def read(self) -> bytes:
        """Return the last text, or a new one if that is older than a second or could not be made. Takes 1 s at most."""
        if self._making is None or (self._making.done() and not self._is_good(self._making)):
            self._making = asyncio.create_task(self._make(), name="metrics-text")
        # Whoever goes away leaves it to the others.
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        """Give up a text that is still being made."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait({self._making}, timeout=KEPT_SECONDS)

    def _is_good(self, made: "asyncio.Task[bytes]") -> bool:
        is_young = asyncio.get_running_loop().time() - self._made_at < self._kept_seconds
        return is_young and not made.cancelled() and made.exception() is None

    async def _make(self) -> bytes:
        figures = await self._sources.read()
        text = self._metrics.render(
            pool=pool_use(self._engine),
            conditions=self._probe.report().checks,
            failing=self._probe.breakers.open_ones(),
            figures=figures,
        )
        self._made_at = asyncio.get_running_loop().time()
        return text
