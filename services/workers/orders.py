"""Telling a worker what is wanted of it, and asking whether it did so. Nothing here touches Postgres.

With our plugin a pause is exact. A stock worker is made to stop fetching: what it has fetched already still runs, and
the answers say so.
"""

import asyncio
from collections.abc import Collection

import structlog

from domain.errors import BrokerUnavailable, Unavailable
from domain.workers.control import Observed, fetches_as_desired
from gateway.descriptions import NodeDescription
from gateway.ports import KeepsPauses, OrdersNodes
from services.workers.descriptions import is_paused
from store.queries.workers.nodes import WorkerRow

LOOKS = 10
LOOK_SECONDS = 0.1
"""How long a stock worker is watched: it stops and begins to fetch after its answer; at most 0.5 s were seen."""

log = structlog.get_logger(__name__)


class WorkerOrders:
    """Gives orders to one worker at a time. A broker or Redis that is away is logged: the loops repeat every order."""

    def __init__(self, control: OrdersNodes, keys: KeepsPauses) -> None:
        self._control = control
        self._keys = keys

    async def describe(self, node: str) -> NodeDescription | None:
        """Return what the node says of itself now; None if it does not answer."""
        try:
            return (await self._control.describe([node])).get(node)
        except BrokerUnavailable:
            log.warning("worker_not_asked", node=node)
            return None

    async def fetch_as_desired(self, worker: WorkerRow) -> NodeDescription | None:
        """Pause or resume the worker as is wanted; returns what it says of itself then, None if it is silent."""
        await (self.hold_keys([worker.node]) if worker.desired.stands_still else self.release_key(worker.node))
        description = await self.describe(worker.node) if worker.online else None
        if description is None:
            return None
        try:
            return await self.steer(worker, description)
        except BrokerUnavailable:
            log.warning("worker_not_told", node=worker.node)
            return description

    async def steer(self, worker: WorkerRow, description: NodeDescription) -> NodeDescription:
        """Pause or resume a worker that has just been asked, and return what it says then. Raises BrokerUnavailable."""
        if _fetches_as_desired(worker, description):
            return description
        stands_still = worker.desired.stands_still
        if not observed(description).pauses_exactly:
            # On Redis a worker that lets go of a broadcast queue never hears it again, though it says that it does:
            # kombu subscribes to its channel only when it connects.
            queues = (
                set(description.queues) - description.broadcasts
                if stands_still
                else {*(worker.queues or ()), *description.queues}
            )
            await self._control.set_consuming(description.node, sorted(queues), consuming=not stands_still)
        elif stands_still:
            await self._control.pause(description.node)
        else:
            await self._control.resume(description.node)
        return await self._look_again(worker, description)

    async def resize(self, description: NodeDescription, by: int) -> int:
        """Make the pool larger or smaller; returns by how much it will change: busy processes are not ended."""
        try:
            by = await self._possible(description, by)
            return by if by and await self._control.resize(description.node, by) else 0
        except BrokerUnavailable:
            log.warning("worker_not_told", node=description.node)
            return 0

    async def hold_keys(self, nodes: Collection[str]) -> None:
        """Let these nodes, if they have our plugin, begin paused when they start anew."""
        try:
            await self._keys.hold(nodes)
        except Unavailable:
            log.warning("pause_keys_not_written", count=len(nodes))

    async def release_key(self, node: str) -> None:
        """Let the node's next start be an ordinary one."""
        try:
            await self._keys.release(node)
        except Unavailable:
            log.warning("pause_keys_not_written", count=1)

    async def _possible(self, description: NodeDescription, by: int) -> int:
        """Return by how much the pool can change: of prefork only idle processes end.

        One order for all of them: of two in a row the second may choose a process that is ending already.
        """
        if by >= 0 or description.pool != "prefork":
            return by
        work = (await self._control.list_work([description.node])).get(description.node)
        idle = max(description.concurrency - len(work.active), 0) if work else 0
        return -min(-by, idle)

    async def _look_again(self, worker: WorkerRow, description: NodeDescription) -> NodeDescription:
        """The node's word once it is as wanted, or its last."""
        for _ in range(LOOKS):
            now = (await self._control.describe([description.node])).get(description.node)
            if now is None:
                break
            description = now
            if _fetches_as_desired(worker, description):
                break
            await asyncio.sleep(LOOK_SECONDS)
        return description


def observed(description: NodeDescription) -> Observed:
    """Return a node's word, as the rules read it."""
    return Observed(
        pool=description.pool,
        concurrency=description.concurrency,
        consuming=description.queues,
        paused=is_paused(description),
        autoscales=description.autoscales,
        plugin=description.plugin,
        protocol=description.protocol,
        announced=description.capabilities,
    )


def _fetches_as_desired(worker: WorkerRow, description: NodeDescription) -> bool:
    return fetches_as_desired(worker.desired, observed(description), queues=worker.queues or ())
