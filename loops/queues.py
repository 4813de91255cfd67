"""Lets our workers consume queues that tasks were sent to and that nobody consumes, where that is switched on."""

from collections.abc import Collection
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from store.queries import queues

ROUND_SECONDS = 1.0

log = structlog.get_logger(__name__)


class AddsConsumers(Protocol):
    """The part of `gateway.control.Control` that this needs."""

    async def add_consumer(self, queue_name: str, nodes: Collection[str]) -> frozenset[str]: ...


class QueuesRound:
    """One look for unserved queues. A restarted worker has forgotten what it took on: it is asked again."""

    def __init__(self, engine: AsyncEngine, control: AddsConsumers) -> None:
        self._engine = engine
        self._control = control

    async def run_once(self) -> float:
        """Give every unserved queue to the workers of ours that know its tasks."""
        async with self._engine.connect() as connection:
            unserved = await queues.list_unserved(connection)
        for queue_name, nodes in unserved.items():
            took = await self._control.add_consumer(queue_name, nodes)
            async with self._engine.begin() as connection:
                await queues.add_to_described(connection, queue_name, sorted(took))
            log.info("queue_taken_on", queue=queue_name, nodes=sorted(took))
        return ROUND_SECONDS
