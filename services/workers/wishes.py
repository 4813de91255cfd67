"""Pausing, resuming, draining and forgetting a worker, from the wish to what the worker says of itself then.

Each transaction is a verb of `requests.py`; in between, with none open, the worker is told. `loops/workers/control.py`
tells whatever is not as wanted yet.
"""

from domain.audit import Author
from services.transactions import Transact
from services.workers import requests
from services.workers.descriptions import save_descriptions
from services.workers.orders import WorkerOrders
from store.queries.workers.nodes import WorkerRow


async def pause(transact: Transact, orders: WorkerOrders, *, worker_id: str, author: Author) -> WorkerRow:
    """Let it start no new task; returns it as it is then. Raises WorkerNotFound."""
    async with transact() as connection:
        worker = await requests.request_pause(connection, worker_id, author=author)
    return await _tell(transact, orders, worker=worker)


async def resume(transact: Transact, orders: WorkerOrders, *, worker_id: str, author: Author) -> WorkerRow:
    """Let it work again, and end a drain; returns it as it is then. Raises WorkerNotFound."""
    async with transact() as connection:
        worker = await requests.request_resume(connection, worker_id, author=author)
    return await _tell(transact, orders, worker=worker)


async def drain(
    transact: Transact, orders: WorkerOrders, *, worker_id: str, deadline_seconds: int | None, author: Author
) -> WorkerRow:
    """Let it finish what it runs and exit; returns it as it is then. Raises WorkerNotFound, and WorkerOffline."""
    async with transact() as connection:
        worker = await requests.request_drain(connection, worker_id, deadline_seconds=deadline_seconds, author=author)
    return await _tell(transact, orders, worker=worker)


async def forget(transact: Transact, orders: WorkerOrders, *, worker_id: str, author: Author) -> None:
    """Forget an offline worker and all that was wanted of it. Raises WorkerNotFound, and WorkerOnline."""
    async with transact() as connection:
        worker = await requests.forget(connection, worker_id, author=author)
    await orders.release_key(worker.node)


async def _tell(transact: Transact, orders: WorkerOrders, *, worker: WorkerRow) -> WorkerRow:
    told = await orders.fetch_as_desired(worker)
    async with transact() as connection:
        await save_descriptions(connection, [told] if told else [])
        return await requests.find_worker(connection, str(worker.worker_id))
