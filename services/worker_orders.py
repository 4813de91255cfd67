"""Telling a worker what is wanted of it, and asking whether it did so. Nothing here touches Postgres.

With our plugin a pause is exact. A stock worker is made to stop fetching: what it has fetched already still runs, and
the answers say so.
"""

import asyncio
from collections.abc import Collection

import structlog

from domain.errors import BrokerUnavailable, Unavailable
from domain.worker_control import Observed, fetches_as_desired
from gateway.descriptions import NodeDescription
from gateway.ports import KeepsPauses, OrdersNodes
from services.nodes import is_paused
from store.queries.workers import WorkerRow

LOOKS = 10
LOOK_SECONDS = 0.1
"""A stock worker stops and begins to fetch a moment after it has answered; at most 0.5 s were seen."""

log = structlog.get_logger(__name__)


class WorkerOrders:
    """Orders to one worker at a time. A broker or a Redis that is away is logged: the loops repeat every order."""

    def __init__(self, control: OrdersNodes, keys: KeepsPauses) -> None:
        self._control = control
        self._keys = keys

    async def describe(self, node: str) -> NodeDescription | None:
        """What the node says of itself now; None if it does not answer."""
        try:
            return (await self._control.describe([node])).get(node)
        except BrokerUnavailable:
            log.warning("worker_not_asked", node=node)
            return None

    async def fetch_as_desired(self, worker: WorkerRow) -> NodeDescription | None:
        """Pause or resume the worker as is wanted; returns what it says of itself then, None if it is silent."""
        await (self.hold_keys([worker.node]) if worker.desired.held else self.release_key(worker.node))
        told = await self.describe(worker.node) if worker.online else None
        if told is None:
            return None
        try:
            return await self.steer(worker, told)
        except BrokerUnavailable:
            log.warning("worker_not_told", node=worker.node)
            return told

    async def steer(self, worker: WorkerRow, told: NodeDescription) -> NodeDescription:
        """The same for a worker that has just been asked. Raises BrokerUnavailable."""
        if _fetches_as_desired(worker, told):
            return told
        held = worker.desired.held
        if not observed(told).pauses_exactly:
            # On Redis a worker that lets go of a broadcast queue never hears it again, though it says that it does:
            # kombu subscribes to its channel only when it connects.
            queues = set(told.queues) - told.broadcasts if held else {*(worker.queues or ()), *told.queues}
            await self._control.set_consuming(told.node, sorted(queues), consuming=not held)
        elif held:
            await self._control.pause(told.node)
        else:
            await self._control.resume(told.node)
        return await self._look_again(worker, told)

    async def resize(self, told: NodeDescription, by: int) -> int:
        """Make the pool larger or smaller; returns by how much it will change: busy processes are not ended."""
        try:
            by = await self._possible(told, by)
            return by if by and await self._control.resize(told.node, by) else 0
        except BrokerUnavailable:
            log.warning("worker_not_told", node=told.node)
            return 0

    async def hold_keys(self, nodes: Collection[str]) -> None:
        """Nodes with our plugin that start anew begin paused."""
        try:
            await self._keys.hold(nodes)
        except Unavailable:
            log.warning("pause_keys_not_written", count=len(nodes))

    async def release_key(self, node: str) -> None:
        """The node's next start is an ordinary one."""
        try:
            await self._keys.release(node)
        except Unavailable:
            log.warning("pause_keys_not_written", count=1)

    async def _possible(self, told: NodeDescription, by: int) -> int:
        """Of prefork only idle processes end.

        One order for all of them: of two in a row the second may choose a process that is ending already.
        """
        if by >= 0 or told.pool != "prefork":
            return by
        work = (await self._control.list_work([told.node])).get(told.node)
        idle = max(told.concurrency - len(work.active), 0) if work else 0
        return -min(-by, idle)

    async def _look_again(self, worker: WorkerRow, told: NodeDescription) -> NodeDescription:
        """The node's word once it is as wanted, or its last."""
        for _ in range(LOOKS):
            now = (await self._control.describe([told.node])).get(told.node)
            if now is None:
                break
            told = now
            if _fetches_as_desired(worker, told):
                break
            await asyncio.sleep(LOOK_SECONDS)
        return told


def observed(told: NodeDescription) -> Observed:
    """A node's word, as the rules read it."""
    return Observed(
        pool=told.pool,
        concurrency=told.concurrency,
        consuming=told.queues,
        paused=is_paused(told),
        autoscales=told.autoscales,
        plugin=told.plugin,
        protocol=told.protocol,
        announced=told.capabilities,
    )


def _fetches_as_desired(worker: WorkerRow, told: NodeDescription) -> bool:
    return fetches_as_desired(worker.desired, observed(told), queues=worker.queues or ())
