"""Asks workers what they run, and holds it against what was heard."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.redaction.rules import COMMON, Redaction
from gateway.control import ActiveTask
from gateway.ports import AsksNodes, ReadsQueues, ReadsResults
from loops.workers.shared_names import note_shared_names
from services.lost.vanished_tasks import BATCH_SIZE, conclude, find_unheard, record_running
from store.engine import stating
from store.queries import leadership
from store.queries.lost import vanished_tasks
from store.queries.lost.vanished_tasks import WithWorker
from store.queries.workers import nodes, shared_names
from store.queries.workers.consumers import get_consumers

ROUND_SECONDS = 10.0
UNHEARD = timedelta(seconds=15)
"""The longest that it takes until a start is heard; else its event is lost."""
ABSENT = timedelta(seconds=60)
"""How long a task is missed on a node that is online: it tells in order, so an end would have been heard by now."""

log = structlog.get_logger(__name__)


class VanishedTasksRound:
    """Looks once at all that workers hold. One process at a time does it."""

    def __init__(
        self,
        engine: AsyncEngine,
        control: AsksNodes,
        *,
        queues: ReadsQueues,
        results: ReadsResults,
        redaction: Redaction = COMMON,
    ) -> None:
        self._engine = engine
        self._control = control
        self._queues = queues
        self._results = results
        self._redaction = redaction
        self._unheard: dict[str, datetime] = {}
        self._absent: dict[str, datetime] = {}

    async def run_once(self) -> float:
        """Ask, compare, repair. Raises BrokerUnavailable and Unavailable."""
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.VANISHED_TASKS):
                return ROUND_SECONDS
            # Of two processes of one name the first to answer would speak for both.
            shared = await shared_names.list_shared(connection)
            asked = [node for node, _ in await nodes.list_consumers(connection) if node not in shared]
            with_workers = await vanished_tasks.list_with_workers(connection, asked, limit=BATCH_SIZE)
        answered, active = await self._control.list_active(asked)
        await self._repair_starts(active)
        # A node that does not answer may have any of them.
        candidates = [task for task in with_workers if task.task_id not in active] if answered >= set(asked) else []
        await self._repair_ends(candidates, asked)
        return ROUND_SECONDS

    async def _repair_starts(self, active: Mapping[str, ActiveTask]) -> None:
        async with stating(self._engine) as connection:
            unheard = await find_unheard(connection, active.keys())
        self._unheard, missed = _lasting(self._unheard, unheard, long=UNHEARD)
        if missed:
            async with self._engine.begin() as connection:
                await record_running(connection, {task_id: active[task_id] for task_id in missed})
            log.info("starts_reconstructed", count=len(missed))

    async def _repair_ends(self, candidates: Collection[WithWorker], nodes: Collection[str]) -> None:
        absent = await self._absent_now(candidates, nodes) if candidates else frozenset[str]()
        self._absent, lasting = _lasting(self._absent, absent, long=ABSENT)
        vanished = await self._confirmed([task for task in candidates if task.task_id in lasting])
        if vanished:
            results = await self._results.fetch(sorted(vanished))
            async with self._engine.begin() as connection:
                gone = [task for task in candidates if task.task_id in vanished]
                ended = await conclude(connection, gone, results=results, redaction=self._redaction)
            log.warning("tasks_concluded", count=len(ended))

    async def _confirmed(self, candidates: Sequence[WithWorker]) -> frozenset[str]:
        """Return those that nobody has when all are asked, under names that are those of one process each."""
        if not candidates:
            return frozenset()
        said = await self._control.ask_everyone({task.task_id for task in candidates})
        shared = await note_shared_names(self._engine, said.replies)
        return frozenset(
            task.task_id for task in candidates if task.task_id not in said.holders and task.node not in shared
        )

    async def _absent_now(self, candidates: Collection[WithWorker], nodes: Collection[str]) -> frozenset[str]:
        """Return those that are with no worker and in no queue; none where that cannot be known (RabbitMQ)."""
        async with stating(self._engine) as connection:
            known = await get_consumers(connection)
        candidates = [task for task in candidates if known.hider_since(task.sent_at) is None]
        if not candidates:
            return frozenset()
        task_ids = {task.task_id for task in candidates}
        names = {task.queue_name for task in candidates if task.queue_name}
        in_broker = await self._queues.ids_in_queues(names, among=task_ids)
        if in_broker is None or not (missing := task_ids - in_broker):
            return frozenset()
        missing -= (await self._control.query_tasks(missing, nodes)).keys()
        async with stating(self._engine) as connection:
            return frozenset(missing - await vanished_tasks.list_continued(connection, missing))


def _lasting(
    since: Mapping[str, datetime], seen: Collection[str], *, long: timedelta
) -> tuple[dict[str, datetime], frozenset[str]]:
    """Return since when each has been seen without a break, and which of them for so long."""
    now = datetime.now(UTC)
    first_seen = {task_id: since.get(task_id, now) for task_id in seen}
    return first_seen, frozenset(task_id for task_id, at in first_seen.items() if now - at >= long)
