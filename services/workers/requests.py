"""What operators do with workers: each verb stores a wish; `orders` tells the worker and the loops repeat it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.adoption import adoptions
from domain.audit import Action, Author, Change, Outcome
from domain.errors import CapacityNotSupported, NotFound, WorkerExists, WorkerNotFound, WorkerOffline, WorkerOnline
from domain.workers.control import Observed, resize_base
from domain.workers.history import Heard, HistoryEntry, history
from domain.workers.status import DEFAULT_CAPACITY, hostname, node_name
from gateway.descriptions import NodeDescription
from services.audit import record_change
from services.workers.descriptions import save_descriptions
from store.queries.workers import nodes, wishes
from store.queries.workers.history import list_requests
from store.queries.workers.nodes import WorkerRow

AUDITED = ("want_paused", "drain_started_at", "drain_deadline_at", "capacity")
"""What is wanted of a worker, as the audit shows it."""


async def find_worker(connection: AsyncConnection, worker_id: str) -> WorkerRow:
    """Return the worker of this id or hostname. Raises WorkerNotFound."""
    try:
        row = await nodes.get_worker(connection, worker_id=UUID(worker_id))
    except ValueError:
        row = None
    row = row or await nodes.get_worker(connection, node=node_name(worker_id))
    if row is None:
        raise WorkerNotFound
    return row


async def read_history(connection: AsyncConnection, worker: WorkerRow) -> list[HistoryEntry]:
    """Return what has become of a worker, newest first."""
    heard = Heard(
        online=worker.online,
        online_at=worker.online_at,
        goodbye_at=worker.goodbye_at,
        last_sign_at=worker.last_sign_at,
        drained_at=worker.drain_finished_at,
        taken_on=adoptions(worker.taken_on),
        starts=worker.starts or (),
        goodbyes=worker.goodbyes or (),
    )
    return history(await list_requests(connection, str(worker.worker_id)), heard)


async def register(connection: AsyncConnection, name: str, *, capacity: int | None, author: Author) -> WorkerRow:
    """Make a worker known before it is heard, or take on one that was only seen. Raises WorkerExists."""
    node = node_name(name)
    is_new = await wishes.register(connection, node, capacity=capacity, default_capacity=DEFAULT_CAPACITY)
    worker = await find_worker(connection, node)
    if not is_new:
        raise WorkerExists(
            f"{hostname(node)} is registered already, as {worker.worker_id}.", worker_id=str(worker.worker_id)
        )
    await _audit(connection, worker, action=Action.WORKER_REGISTER, author=author)
    return worker


async def request_pause(connection: AsyncConnection, worker_id: str, *, author: Author) -> WorkerRow:
    """Store the wish that it start no new task. Raises WorkerNotFound."""
    worker = await find_worker(connection, worker_id)
    await wishes.want_pause(connection, worker.worker_id)
    return await _audit_wish(connection, worker, action=Action.WORKER_PAUSE, author=author)


async def request_resume(connection: AsyncConnection, worker_id: str, *, author: Author) -> WorkerRow:
    """Store the wish that it work again; ends a drain. Raises WorkerNotFound."""
    worker = await find_worker(connection, worker_id)
    await wishes.want_resume(connection, worker.worker_id)
    return await _audit_wish(connection, worker, action=Action.WORKER_RESUME, author=author)


async def request_drain(
    connection: AsyncConnection, worker_id: str, *, deadline_seconds: int | None, author: Author
) -> WorkerRow:
    """Store the wish that it finish what it runs and exit. Raises WorkerNotFound, and WorkerOffline for an
    offline one."""
    worker = await find_worker(connection, worker_id)
    if not worker.online:
        raise WorkerOffline(f"{hostname(worker.node)} is offline: there is nothing to drain.")
    deadline_at = None if deadline_seconds is None else datetime.now(UTC) + timedelta(seconds=deadline_seconds)
    await wishes.want_drain(connection, worker.worker_id, deadline_at=deadline_at)
    return await _audit_wish(connection, worker, action=Action.WORKER_DRAIN, author=author)


def refuse_unresizable(node: str, observed: Observed) -> None:
    """Raise CapacityNotSupported for an online worker that is known not to be resizable."""
    if observed.is_resizable or observed.pool is None:
        return
    reason = "it scales itself (--autoscale)" if observed.autoscales else f"its pool is {observed.pool}"
    raise CapacityNotSupported(
        f"{hostname(node)} cannot be resized: {reason}. Start it with another --concurrency instead."
    )


async def request_capacity(
    connection: AsyncConnection,
    worker: WorkerRow,
    *,
    capacity: int,
    description: NodeDescription | None,
    author: Author,
) -> int:
    """Store how many tasks it shall run at once; returns by how much the caller is to resize what has `description`
    of itself."""
    await wishes.want_capacity(connection, worker.worker_id, capacity=capacity)
    await _audit_wish(connection, worker, action=Action.WORKER_RESIZE, author=author)
    if description is None:
        return 0
    await save_descriptions(connection, [description])
    return await claim_resize(connection, description)


async def claim_resize(connection: AsyncConnection, description: NodeDescription) -> int:
    """Return by how much the caller, and nobody else, is to resize this node now: others see the size as ordered.

    Prefork shows a new size only seconds later; counting from what is observed would order it once more.
    """
    worker = await wishes.lock_node(connection, description.node)
    if worker is None or worker.capacity is None or not worker.observed.is_resizable:
        return 0
    base = resize_base(
        target=worker.resize_target if worker.resize_pid == description.pid else None,
        target_at=worker.resize_at,
        concurrency=description.concurrency,
        now=datetime.now(UTC),
    )
    if worker.capacity != base:
        await wishes.note_resize(connection, worker.worker_id, target=worker.capacity, pid=description.pid)
    return worker.capacity - base


async def record_resize(connection: AsyncConnection, description: NodeDescription, *, asked: int, reached: int) -> None:
    """Store what became of a claimed resize: the rest of it may be claimed again at once."""
    worker = await wishes.lock_node(connection, description.node)
    if worker is not None and worker.resize_target is not None and asked != reached:
        target = worker.resize_target - asked + reached
        await wishes.note_resize(connection, worker.worker_id, target=target, pid=description.pid)


async def find_drain(connection: AsyncConnection, worker_id: str) -> WorkerRow:
    """Return a worker that is drained or was. Raises WorkerNotFound, and NotFound if it is an ordinary one."""
    worker = await find_worker(connection, worker_id)
    if worker.drain_started_at is None:
        raise NotFound(f"{hostname(worker.node)} is not being drained, nor was it since it last started.")
    return worker


async def forget(connection: AsyncConnection, worker_id: str, *, author: Author) -> WorkerRow:
    """Forget an offline worker and all wishes. Raises WorkerNotFound, and WorkerOnline."""
    worker = await find_worker(connection, worker_id)
    if not await wishes.delete_offline(connection, worker.worker_id):
        raise WorkerOnline
    await _audit(connection, worker, action=Action.WORKER_FORGET, author=author)
    return worker


async def _audit(connection: AsyncConnection, worker: WorkerRow, *, action: Action, author: Author) -> None:
    """Record what was done with a worker as a whole."""
    after = {"hostname": hostname(worker.node), "capacity": worker.capacity}
    await record_change(connection, Change(action, str(worker.worker_id), after=after), author=author)


async def _audit_wish(connection: AsyncConnection, before: WorkerRow, *, action: Action, author: Author) -> WorkerRow:
    """Record a wish that has just been stored, and return the worker as it is wanted now."""
    after = await find_worker(connection, str(before.worker_id))
    shown = {"hostname": hostname(after.node)} | _wishes_of(after)
    change = Change(action, str(before.worker_id), _wishes_of(before), shown, Outcome.REQUESTED)
    await record_change(connection, change, author=author)
    return after


def _wishes_of(worker: WorkerRow) -> dict[str, object]:
    return {name: getattr(worker, name) for name in AUDITED}
