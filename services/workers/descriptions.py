"""Keeping what nodes say of themselves."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workers.control import own_queues
from domain.workers.status import SILENCE
from gateway.descriptions import NodeDescription
from store.queries.workers import descriptions, signs, wishes
from store.queries.workers.descriptions import Description
from store.queries.workers.nodes import WorkerRow

LONG_ENOUGH = timedelta(seconds=10)
"""The longest that the event of a task's start may take until it is stored."""


async def save_descriptions(connection: AsyncConnection, descriptions_told: Iterable[NodeDescription]) -> None:
    """Store descriptions, by node name so that two processes that store them at once take turns.

    What is said of a node that is not known (any more) is left out.
    """
    now = datetime.now(UTC)
    for node in sorted(descriptions_told, key=lambda description: description.node):
        worker = await wishes.lock_node(connection, node.node)
        if worker is not None:
            await signs.see(connection, {node.node: now})
            await descriptions.save_description(connection, _described(node, worker, now=now))


async def note_silence(connection: AsyncConnection, nodes: Collection[str], *, unreadable: Mapping[str, str]) -> None:
    """Note that these nodes were asked and told nothing; an answer that cannot be read proves that its node
    is there."""
    if unreadable:
        await signs.see(connection, dict.fromkeys(unreadable, datetime.now(UTC)))
    await signs.note_unanswered(connection, nodes, unreadable=unreadable)


def _described(node: NodeDescription, worker: WorkerRow, *, now: datetime) -> Description:
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
        events=_sends_events(node, worker, now=now),
        **_counted(node, worker, now=now),
    )


class _Count(TypedDict):
    started_before: int | None
    counted_at: datetime | None


def _counted(node: NodeDescription, worker: WorkerRow, *, now: datetime) -> _Count:
    """What the next count is held against: the last one, until it is old enough."""
    if worker.counted_at and now - worker.counted_at < LONG_ENOUGH and not _is_another(node, worker):
        return {"started_before": worker.started_before, "counted_at": worker.counted_at}
    return {"started_before": node.started, "counted_at": now}


def _sends_events(node: NodeDescription, worker: WorkerRow, *, now: datetime) -> bool | None:
    """False where it has started tasks since it was last counted and told of none; None where nothing is known.

    Judged only while its heartbeats are heard: else it may be the mirror that hears nothing.
    """
    if worker.last_heartbeat_at is None or now - worker.last_heartbeat_at > SILENCE or _is_another(node, worker):
        return None
    if worker.counted_at is None or now - worker.counted_at < LONG_ENOUGH:
        return None
    if (node.started or 0) <= (worker.started_before or 0):
        return None
    has_told = worker.task_event_at is not None and worker.task_event_at >= worker.counted_at - LONG_ENOUGH
    return None if has_told else False


def _is_another(node: NodeDescription, worker: WorkerRow) -> bool:
    """Whether the last count is of an earlier process."""
    return worker.described_pid != node.pid


def is_paused(node: NodeDescription) -> bool:
    """Tell whether the node is paused: as its plugin says, or where it has none, if it consumes only broadcasts."""
    if node.capabilities and node.paused is not None:
        return node.paused
    return node.broadcasts.issuperset(node.queues)


def _stands_still(node: NodeDescription, worker: WorkerRow) -> bool:
    """Whether it may have more queues than it tells of: it is held back, or has not come back to all of them yet."""
    missing = not set(worker.queues or ()) <= set(node.queues)
    return worker.desired.stands_still or is_paused(node) or (worker.want_paused is False and missing)
