"""What nodes answered when they were asked about themselves, and the names of the tasks that they know."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Interval, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.workers.nodes import has_wish, is_mute, is_online, is_other_process, may_be_asked
from store.tables.workers import registered_tasks, workers


@dataclass(frozen=True, slots=True)
class Description:
    """What a node said of itself, read in the light of what is wanted of it: as it is stored."""

    node: str
    pid: int | None
    pool: str | None
    concurrency: int | None
    prefetch_count: int | None
    queues: Sequence[str]
    registered: Sequence[str]
    plugin: str | None
    consuming: Sequence[str] = ()
    is_paused: bool | None = None
    autoscales: bool = False
    protocol: int | None = None
    capabilities: Sequence[str] = ()
    priority_steps: Sequence[int] = ()
    broker_options: Mapping[str, Any] | None = None
    """The fields of `domain.broker_options.BrokerOptions`."""
    events: bool | None = None
    """Whether it tells of its tasks; None leaves what is known."""
    started_before: int | None = None
    counted_at: datetime | None = None
    """The time at which it had started so many tasks."""
    acks_late: Container[str] = frozenset()
    """The names of registered tasks that acknowledge late."""
    retry_limits: Mapping[str, int] = field(default_factory=dict)


_undescribed = (
    select(workers.c.node)
    .where(
        is_online(),
        may_be_asked(),
        or_(
            is_other_process(),
            workers.c.described_at < func.now() - bindparam("max_age", type_=Interval),
            and_(has_wish(), workers.c.described_at < func.now() - bindparam("watched_age", type_=Interval)),
        ),
    )
    # Those never described first, and among them by lot: names that nobody answers to must not hide new workers.
    .order_by(workers.c.described_at.nulls_first(), func.random())
    .limit(bindparam("limit", type_=Integer))
)


any_undescribed = _undescribed.order_by(None).limit(None).exists()
"""Whether `list_undescribed` finds any; takes the same two ages."""


async def list_undescribed(
    connection: AsyncConnection, *, max_age: timedelta, watched_age: timedelta | None = None, limit: int = 1_000
) -> list[str]:
    """Return online nodes whose description is missing, of an earlier process or too old, the oldest first.

    `watched_age` is the age for nodes of which something is wanted.
    """
    ages = {"max_age": max_age, "watched_age": watched_age or max_age, "limit": limit}
    return [row.node for row in await connection.execute(_undescribed, ages)]


async def save_description(connection: AsyncConnection, description: Description) -> None:
    """Store a node's description and the names of the tasks it knows."""
    node, registered = description.node, description.registered
    await connection.execute(
        update(workers)
        .where(workers.c.node == node)
        .values(
            pool=description.pool,
            concurrency=description.concurrency,
            prefetch_count=description.prefetch_count,
            queues=list(description.queues),
            plugin=description.plugin,
            consuming=list(description.consuming),
            is_paused=description.is_paused,
            autoscales=description.autoscales,
            protocol=description.protocol,
            capabilities=list(description.capabilities),
            priority_steps=list(description.priority_steps),
            broker_options=description.broker_options,
            described_at=func.now(),
            described_pid=description.pid,
            # What sends no heartbeats never says which process it is.
            pid=case((is_mute(), description.pid), else_=workers.c.pid),
            events=func.coalesce(description.events, workers.c.events),
            started_before=description.started_before,
            counted_at=description.counted_at,
            unanswered=0,
            unreadable=None,
            asked_at=func.now(),
        )
    )
    await connection.execute(
        delete(registered_tasks).where(
            registered_tasks.c.node == node, registered_tasks.c.task_name.not_in(list(registered))
        )
    )
    if registered:
        names = insert(registered_tasks).values([_registered(description, name) for name in sorted(set(registered))])
        values = {name: names.excluded[name] for name in ("seen_at", "acks_late", "max_retries")}
        await connection.execute(names.on_conflict_do_update(index_elements=["node", "task_name"], set_=values))


def _registered(description: Description, task_name: str) -> dict[str, object]:
    return {
        "node": description.node,
        "task_name": task_name,
        "seen_at": func.now(),
        "acks_late": task_name in description.acks_late,
        "max_retries": description.retry_limits.get(task_name),
    }
