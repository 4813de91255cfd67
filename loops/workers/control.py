"""Brings workers to what operators want of them: after a restart, after an outage, and when somebody else changed it.

`nodes` asks those workers every 3 s how they are; whatever is not as wanted, or not known since a restart, is ordered
here again. Drains are moved on here too, so that they outlive a restart of the API and of this process.
"""

import time
from collections.abc import Collection

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.descriptions import NodeDescription
from gateway.ports import AsksNodes
from loops.workers.drains import Drains
from services.workers import requests
from services.workers.capacity import resize
from services.workers.descriptions import save_descriptions
from services.workers.orders import WorkerOrders
from store.engine import stating
from store.queries.workers import wishes
from store.queries.workers.nodes import WorkerRow

ROUND_SECONDS = 0.5
MAX_WORKERS = 100
KEYS_SECONDS = 5.0
"""How soon a Redis that was emptied has the pause keys again."""
PATIENCE_SECONDS = 2.0
"""A worker that was told, or is silent, is left alone for so long: prefork takes up to 6 s to show a new size."""

log = structlog.get_logger(__name__)


class ControlRound:
    """Looks once for workers that are not as wanted. Any number of processes may look: orders can be repeated."""

    def __init__(
        self,
        engine: AsyncEngine,
        control: AsksNodes,
        *,
        orders: WorkerOrders,
        drains: Drains,
        keys_seconds: float = KEYS_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._keys_seconds = keys_seconds
        self._patience_seconds = patience_seconds
        self._engine = engine
        self._control = control
        self._orders = orders
        self._drains = drains
        self._told_at: dict[str, float] = {}
        self._keys_at = float("-inf")

    async def run_once(self) -> float:
        """Order again what is not so, and take every drain one step on."""
        await self._hold_keys()
        async with stating(self._engine) as connection:
            diverged = await wishes.list_diverged(connection, limit=MAX_WORKERS)
        now = time.monotonic()
        self._told_at = {node: at for node, at in self._told_at.items() if now - at < self._patience_seconds}
        await self._converge([worker.node for worker in diverged if worker.node not in self._told_at])
        await self._drains.move_on()
        return ROUND_SECONDS

    async def _hold_keys(self) -> None:
        if time.monotonic() - self._keys_at < self._keys_seconds:
            return
        async with stating(self._engine) as connection:
            nodes = await wishes.list_held_nodes(connection)
        await self._orders.hold_keys(nodes)
        self._keys_at = time.monotonic()

    async def _converge(self, nodes: Collection[str]) -> None:
        descriptions = await self._control.describe(nodes) if nodes else {}
        self._told_at |= dict.fromkeys(nodes, time.monotonic())
        for description in descriptions.values():
            await self._converge_one(description)
        if nodes:
            log.debug("workers_converged", asked=len(nodes), answered=len(descriptions))

    async def _converge_one(self, description: NodeDescription) -> None:
        """What is wanted is read right before it is ordered: it may have changed while the nodes were asked."""
        async with self._engine.begin() as connection:
            await save_descriptions(connection, [description])
            worker = await wishes.lock_node(connection, description.node)
            by = await requests.claim_resize(connection, description)
        if worker is None:
            return
        await self._resize(description, by)
        await self._steer(worker, description)

    async def _resize(self, description: NodeDescription, by: int) -> None:
        if not by:
            return
        reached = await resize(self._engine.begin, self._orders, description=description, by=by)
        log.info("worker_resized", node=description.node, asked=by, reached=reached)

    async def _steer(self, worker: WorkerRow, description: NodeDescription) -> None:
        after = await self._orders.steer(worker, description)
        if after is description:
            return
        async with self._engine.begin() as connection:
            await save_descriptions(connection, [after])
        log.info("worker_steered", node=worker.node, held=worker.desired.stands_still)
