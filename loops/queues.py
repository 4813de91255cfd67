"""Lets our workers consume queues that tasks were sent to and that nobody consumes, where that is switched on."""

from collections.abc import Collection

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.queue_names import flaw_of
from gateway.ports import OrdersNodes, ReadsQueues
from store.engine import stating
from store.queries import queues

ROUND_SECONDS = 1.0

log = structlog.get_logger(__name__)


class QueuesRound:
    """Looks once for unserved queues. A restarted worker has forgotten what it took on: it is asked again.

    A name that is a key of kombu, Celery, us or anybody else would end each worker that consumed it, again and again.
    """

    def __init__(self, engine: AsyncEngine, control: OrdersNodes, *, queues: ReadsQueues) -> None:
        self._engine = engine
        self._control = control
        self._queues = queues
        self._left_alone: frozenset[str] = frozenset()

    async def run_once(self) -> float:
        """Give every unserved queue to the workers of ours that know its tasks."""
        async with stating(self._engine) as connection:
            unserved = await queues.list_unserved(connection)
        foreign = await self._find_foreign(unserved)
        for queue_name, nodes in unserved.items():
            if queue_name in foreign:
                continue
            took = await self._control.add_consumer(queue_name, nodes)
            async with self._engine.begin() as connection:
                await queues.add_to_described(connection, queue_name, nodes=sorted(took))
            log.info("queue_taken_on", queue=queue_name, nodes=sorted(took))
        return ROUND_SECONDS

    async def _find_foreign(self, names: Collection[str]) -> frozenset[str]:
        if not names:
            return frozenset()
        foreign = frozenset(name for name in names if flaw_of(name)) | await self._queues.find_foreign(names)
        for name in sorted(foreign - self._left_alone):
            log.warning("queue_left_alone", queue=name)
        self._left_alone = foreign
        return foreign
