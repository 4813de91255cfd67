"""What workers that may be dead were holding when last heard."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Integer, and_, bindparam, exists, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import AttemptState, Phase
from domain.workers.status import SILENCE
from store.queries.workers.nodes import has_not_left, patience
from store.queries.workers.shared_names import has_one_life
from store.tables.tasks import attempts, tasks
from store.tables.workers import registered_tasks, workers

_OPEN = (AttemptState.RECEIVED.value, AttemptState.STARTED.value)
RECENT = timedelta(minutes=2)
"""Longer than it takes to find a worker dead."""
HELD = (Phase.RESERVED.value, Phase.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Orphan:
    """An open attempt of a task whose worker process is silent, or has a successor of the same name."""

    task_id: str
    node: str
    number: int
    """The number of the attempt."""
    started: bool
    queue_name: str | None
    cancel_requested: bool
    acks_late: bool | None
    """Whether the node said that it acknowledges this task only at its end; None if it did not say."""
    plugin: bool
    restarted: bool
    """Whether the node is online, as a process that began after this attempt."""
    outrun: bool
    """Whether another delivery has taken the task on since, or has ended it: there is nothing to put back."""
    sent_at: datetime
    """When the task was sent, or first heard of."""


_other = attempts.alias("other")
_taken_since = exists().where(
    _other.c.task_id == attempts.c.task_id, _other.c.number > attempts.c.number, _other.c.state.in_(_OPEN)
)
_is_over = tasks.c.phase == Phase.FINISHED.value


def _first_sign() -> ColumnElement[object]:
    """Return the first sign of an attempt, by the node's own clock."""
    return func.coalesce(attempts.c.received_at, attempts.c.started_at)


_silent = workers.c.last_heartbeat_at < func.now() - patience()
# Another process of the name proves the end of the first only if nothing of that one is heard any more: it may be a
# twin. A warm shutdown says goodbye first and may go on for hours with what it runs. Only of a node with our plugin is
# it known when its process ends.
_restarted = and_(
    ~_silent,
    has_one_life(),
    workers.c.online_at > _first_sign(),
    or_(workers.c.goodbye_at.is_(None), workers.c.goodbye_at < _first_sign()),
)
_suspects = (
    select(
        tasks.c.task_id,
        attempts.c.node,
        attempts.c.number,
        attempts.c.state == AttemptState.STARTED.value,
        tasks.c.queue_name,
        tasks.c.cancel_requested_at.is_not(None),
        registered_tasks.c.acks_late,
        workers.c.plugin.is_not(None),
        _restarted,
        or_(_is_over, _taken_since),
        func.coalesce(tasks.c.dispatched_at, tasks.c.created_at),
    )
    .join(attempts, attempts.c.task_id == tasks.c.task_id)
    .join(workers, workers.c.node == attempts.c.node)
    .outerjoin(
        registered_tasks,
        and_(registered_tasks.c.node == attempts.c.node, registered_tasks.c.task_name == tasks.c.task_name),
    )
    .where(
        attempts.c.state.in_(_OPEN),
        workers.c.described_at.is_not(None),
        or_(and_(_silent, or_(has_not_left(), workers.c.plugin.is_not(None))), _restarted),
    )
    .order_by(tasks.c.task_id)
    .limit(bindparam("limit", type_=Integer))
)

_held = _suspects.where(tasks.c.phase.in_(HELD))
_ended = _suspects.where(_is_over, tasks.c.completed_at > func.now() - literal(RECENT), tasks.c.attempt_count > 1)
_is_recently_lost = exists().where(
    workers.c.last_heartbeat_at > func.now() - literal(RECENT + SILENCE),
    or_(_silent, workers.c.online_at > func.now() - literal(RECENT)),
)
_recently_lost = select(_is_recently_lost)
any_orphan = or_(
    _held.order_by(None).limit(None).exists(), and_(_is_recently_lost, _ended.order_by(None).limit(None).exists())
)
"""Whether `list_orphans` finds any."""


async def list_orphans(connection: AsyncConnection, *, limit: int) -> list[Orphan]:
    """Return attempts to look at (indexes tasks_held, tasks_ended). Nodes that never answered a question are left
    alone.

    Tasks that have ended meanwhile are looked through only for minutes after a worker was lost.
    """
    orphans = [Orphan(*row) for row in await connection.execute(_held, {"limit": limit})]
    if (await connection.execute(_recently_lost)).scalar_one():
        orphans += [Orphan(*row) for row in await connection.execute(_ended, {"limit": limit})]
    return orphans
