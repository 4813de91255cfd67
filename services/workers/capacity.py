"""Giving a worker another capacity: the wish, what the worker is, the order to it, and what became of that.

Each transaction is a verb of `requests.py`. The API does it at once, and `loops/workers/control.py` whatever is not
so yet.
"""

from domain.audit import Author
from gateway.descriptions import NodeDescription
from services.transactions import Transact
from services.workers import requests
from services.workers.orders import WorkerOrders, observed
from store.queries.workers.nodes import WorkerRow


async def set_capacity(
    transact: Transact, orders: WorkerOrders, *, worker_id: str, capacity: int, author: Author
) -> WorkerRow:
    """Store how many tasks the worker shall run at once, resize it if it is online, and return it as it is then.

    Raises WorkerNotFound, and CapacityNotSupported for an online worker that cannot be resized.
    """
    async with transact() as connection:
        worker = await requests.find_worker(connection, worker_id)
    description = await orders.describe(worker.node) if worker.online else None
    if worker.online:
        requests.refuse_unresizable(worker.node, observed(description) if description else worker.observed)
    async with transact() as connection:
        by = await requests.request_capacity(
            connection, worker, capacity=capacity, description=description, author=author
        )
    if description is not None:
        await resize(transact, orders, description=description, by=by)
    async with transact() as connection:
        return await requests.find_worker(connection, str(worker.worker_id))


async def resize(transact: Transact, orders: WorkerOrders, *, description: NodeDescription, by: int) -> int:
    """Carry out a claimed resize of a node that has `description` of itself; returns by how much it will change."""
    if not by:
        return 0
    reached = await orders.resize(description, by)
    async with transact() as connection:
        await requests.record_resize(connection, description, asked=by, reached=reached)
    return reached
