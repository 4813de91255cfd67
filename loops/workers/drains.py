"""Takes drains on, one step at a time: the worker stands still, has nothing left to do, is told to exit, is gone.

A goodbye is not the end: the process lives on for 2 to 3 s, ending its pool and its connections. It is gone once it
listens to the broker no more, with our plugin shows no life any more, and, where it ran on this machine, has ended.
"""

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import BrokerUnavailable
from domain.workers.control import DrainState, drain_state
from domain.workers.status import SILENCE
from gateway.control import Work
from gateway.ports import KnowsConnections, OrdersNodes
from gateway.presence import runs_here
from services.feed import tell_drained
from services.lost.dead_workers import list_living
from services.workers.orders import WorkerOrders
from store.engine import stating
from store.queries.workers import wishes
from store.queries.workers.nodes import WorkerRow

MAX_WORKERS = 100
SHUTDOWN_AGAIN = timedelta(seconds=10)
"""A worker that lives on after this did not hear that it was told to exit."""
UNPROVEN = timedelta(seconds=60)
"""How long after a goodbye it may take to prove that a process has gone. On Redis that cannot be told while another
node listens and does not answer, as a busy solo pool does.
"""

log = structlog.get_logger(__name__)


class Drains:
    """Moves drains on; its steps may be repeated, by this process or another."""

    def __init__(
        self,
        engine: AsyncEngine,
        control: OrdersNodes,
        *,
        orders: WorkerOrders,
        presence: KnowsConnections,
        redis: Redis,
    ) -> None:
        self._engine = engine
        self._control = control
        self._orders = orders
        self._presence = presence
        self._redis = redis
        # By worker, and whether it had said goodbye: what was silence before is not counted again after it.
        self._unanswered_since: dict[tuple[UUID, bool], float] = {}
        self._told_overdue: set[UUID] = set()

    async def move_on(self) -> None:
        """Do one step of each drain."""
        async with stating(self._engine) as connection:
            draining = await wishes.list_draining(connection, limit=MAX_WORKERS)
        self._forget_others({worker.worker_id for worker in draining})
        standing = [worker for worker in draining if worker.online and worker.is_paused]
        work = await self._control.list_work([worker.node for worker in standing])
        absent = await self._find_absent([worker for worker in draining if worker.has_left and not worker.online])
        for worker in draining:
            self._tell_overdue(worker)
            if await self._is_gone(worker, absent):
                await self._finish(worker)
            elif worker.node in work:
                await self._empty(worker, work[worker.node])

    async def _empty(self, worker: WorkerRow, work: Work) -> None:
        """Standing still: wait for what runs, then send it away. What it has only fetched it gives back itself."""
        if work.active:
            async with self._engine.begin() as connection:
                await wishes.note_remaining(connection, worker.worker_id, task_ids=work.active)
            return
        async with self._engine.begin() as connection:
            is_ours = await wishes.note_shutdown(
                connection, worker.worker_id, not_after=datetime.now(UTC) - SHUTDOWN_AGAIN
            )
        if is_ours:
            await self._control.shut_down(worker.node)
            log.info("worker_told_to_exit", node=worker.node)

    async def _find_absent(self, leaving: Sequence[WorkerRow]) -> frozenset[str]:
        """Return those of them that are proven to be gone; all the proofs of one round take a second together."""
        ended = [worker for worker in leaving if not runs_here(worker.node, worker.pid)]
        if not ended:
            return frozenset()
        try:
            absent = await self._presence.find_absent([worker.node for worker in ended])
            with_plugin = [worker.node for worker in ended if worker.plugin and worker.node in absent]
            return absent - await list_living(self._redis, with_plugin)
        except (BrokerUnavailable, RedisError) as error:
            log.info("drain_not_proven", count=len(ended), error=type(error).__name__)
            return frozenset()

    async def _is_gone(self, worker: WorkerRow, absent: Collection[str]) -> bool:
        """Tell whether it is gone: after its goodbye by proof, else by a long silence after the order to exit."""
        if worker.has_left:
            # Who is heard after a goodbye is the process that follows.
            return worker.online or worker.node in absent or self._is_unproven(worker, UNPROVEN)
        if worker.online or worker.drain_shutdown_at is None or await self._control.ping([worker.node]):
            self._unanswered_since.pop((worker.worker_id, worker.has_left), None)
            return False
        return self._is_unproven(worker, SILENCE)

    def _is_unproven(self, worker: WorkerRow, patience: timedelta) -> bool:
        """Whether nothing was heard of it for so long, and no process of it runs here."""
        since = self._unanswered_since.setdefault((worker.worker_id, worker.has_left), time.monotonic())
        is_over = time.monotonic() - since > patience.total_seconds()
        return is_over and not runs_here(worker.node, worker.pid)

    async def _finish(self, worker: WorkerRow) -> None:
        async with self._engine.begin() as connection:
            is_over = await wishes.finish_drain(connection, worker.worker_id)
            if is_over:
                await tell_drained(connection, worker.worker_id, node=worker.node)
        if is_over:
            await self._orders.release_key(worker.node)
            log.info("worker_drained", node=worker.node)

    def _tell_overdue(self, worker: WorkerRow) -> None:
        state = drain_state(deadline_at=worker.drain_deadline_at, finished_at=None, now=datetime.now(UTC))
        if state is DrainState.OVERDUE and worker.worker_id not in self._told_overdue:
            self._told_overdue.add(worker.worker_id)
            log.warning("drain_overdue", node=worker.node, remaining=len(worker.drain_remaining or ()))

    def _forget_others(self, draining: set[UUID]) -> None:
        self._told_overdue &= draining
        self._unanswered_since = {key: at for key, at in self._unanswered_since.items() if key[0] in draining}
