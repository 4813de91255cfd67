"""Keeping what nodes say of themselves."""

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.worker_control import own_queues
from gateway.control import NodeDescription
from store.queries import worker_wishes, workers
from store.queries.workers import Description, WorkerRow


async def save_descriptions(connection: AsyncConnection, told: Iterable[NodeDescription]) -> None:
    """Store descriptions, by node name so that two processes that store them at once take turns.

    What is said of a node that is not known (any more) is left out.
    """
    for node in sorted(told, key=lambda description: description.node):
        worker = await worker_wishes.lock_node(connection, node.node)
        if worker is not None:
            await workers.describe(connection, _described(node, worker))


def _described(node: NodeDescription, worker: WorkerRow) -> Description:
    """What it said, read in the light of what is wanted of it."""
    return Description(
        node=node.node,
        pid=node.pid,
        pool=node.pool,
        concurrency=node.concurrency,
        prefetch_count=node.prefetch_count,
        queues=own_queues(
            worker.queues or (),
            node.queues,
            stands_still=_stands_still(node, worker),
            restarted=node.pid != worker.described_pid,
        ),
        registered=node.registered,
        plugin=node.plugin,
        consuming=node.queues,
        is_paused=is_paused(node),
        autoscales=node.autoscales,
        protocol=node.protocol,
        capabilities=node.capabilities,
        priority_steps=node.priority_steps,
        broker_options=asdict(node.options) if node.options else None,
        acks_late=node.acks_late,
        retry_limits=node.retry_limits,
    )


def is_paused(node: NodeDescription) -> bool:
    """What a plugin that speaks with us says of itself; any other node is paused when it consumes nothing."""
    if node.capabilities and node.paused is not None:
        return node.paused
    return not node.queues


def _stands_still(node: NodeDescription, worker: WorkerRow) -> bool:
    """Whether it may have more queues than it tells of: it is held back, or has not come back to all of them yet."""
    missing = not set(worker.queues or ()) <= set(node.queues)
    return worker.desired.held or is_paused(node) or (worker.want_paused is False and missing)
