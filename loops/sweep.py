"""Looks after tasks of which nothing was heard for a while."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from loops.absences import Absences
from services.sweep import BATCH_SIZE, ReadsResults, find_silent, repair, return_to_outbox
from store.queries import leadership, workers
from store.queries.sweep import SilentTask

ROUND_SECONDS = 5.0

log = structlog.get_logger(__name__)


class ReadsQueues(Protocol):
    """The part of `gateway.queues.QueueReader` that this needs."""

    async def held_task_ids(self, queue_names: Collection[str], *, among: Collection[str]) -> set[str] | None: ...


class AsksNodes(Protocol):
    """The part of `gateway.control.Control` that this needs."""

    async def ping(self, nodes: Collection[str]) -> frozenset[str]: ...

    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> Mapping[str, object]: ...


class SweepRound:
    """One look at the tasks that have been silent longest. One process at a time does it."""

    def __init__(self, engine: AsyncEngine, results: ReadsResults, queues: ReadsQueues, control: AsksNodes) -> None:
        self._engine = engine
        self._results = results
        self._queues = queues
        self._control = control
        self._absences = Absences()

    async def run_once(self) -> float:
        """Repair what can be repaired; at once again if there is more."""
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.SWEEP):
                return ROUND_SECONDS
            silent = await find_silent(connection)
        if not silent:
            return ROUND_SECONDS
        results = await self._results.fetch([task.task_id for task in silent])
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            swept = await repair(connection, silent, results, now=now)
        if swept.repaired:
            log.info("ends_reconstructed", count=len(swept.repaired))
        await self._look_for_lost(swept.unreceived, now)
        return 0 if len(silent) >= BATCH_SIZE else ROUND_SECONDS

    async def _look_for_lost(self, unreceived: Sequence[SilentTask], now: datetime) -> None:
        missing = await self._missing(unreceived) if unreceived else frozenset[str]()
        lost = self._absences.missing_again(missing, looked_at={task.task_id for task in unreceived}, now=now)
        if lost:
            async with self._engine.begin() as connection:
                returned = await return_to_outbox(connection, lost)
            log.warning("dispatches_lost", count=len(returned))

    async def _missing(self, unreceived: Sequence[SilentTask]) -> frozenset[str]:
        """Those that neither the broker nor any live worker holds; none while that cannot be known."""
        wanted = {task.task_id for task in unreceived}
        held = await self._queues.held_task_ids(
            {task.queue_name for task in unreceived if task.queue_name}, among=wanted
        )
        if held is None:
            return frozenset()
        missing = wanted - held
        if not missing:
            return frozenset()
        async with self._engine.connect() as connection:
            nodes = [node for node, _ in await workers.list_consumers(connection)]
        if await self._control.ping(nodes) != frozenset(nodes):
            return frozenset()
        return frozenset(missing - (await self._control.query_tasks(missing, nodes)).keys())
