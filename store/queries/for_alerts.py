"""What alerts are judged by, asked of Postgres; each question stays cheap with millions of tasks stored.

Ages are in seconds by the database's clock. No answer names more than `MOST_SUBJECTS` subjects.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Interval,
    Select,
    and_,
    bindparam,
    cast,
    extract,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.conditions import Parked
from domain.degradation import BlockedWork
from domain.states import Phase, Status
from domain.webhooks.webhook import Because, State
from domain.workers.status import hostname
from store.batch import IDS
from store.queries.ages import seconds_since
from store.queries.outbox import is_calm, is_refused
from store.queries.workers.nodes import has_not_left, is_online, last_sign
from store.queries.workers.strangers import is_stranger
from store.tables.notifications import notification_channels
from store.tables.tasks import gaps, outbox, tasks
from store.tables.webhooks import webhooks
from store.tables.workers import workers

MOST_SUBJECTS = 1_000
COUNTED_DUE = 20_000
"""How many rows of a longer outbox are counted, the longest due: each costs a look into tasks, 100,000 of them 1.1 s.
"""


def _age(time: ColumnElement[Any]) -> ColumnElement[float]:
    """Never negative: the time may be by another clock."""
    return func.greatest(seconds_since(time), 0.0)


async def _by_subject(connection: AsyncConnection, question: Select[Any], **parameters: object) -> dict[str, Any]:
    rows = await connection.execute(question.limit(MOST_SUBJECTS), parameters)
    return {subject or "": value for subject, value in rows}


_is_due = and_(outbox.c.due_at <= func.now(), is_calm)
_due = select(outbox.c.task_id).where(_is_due).order_by(outbox.c.due_at).limit(COUNTED_DUE)
_due_rows = _due.subquery()
_due_by_queue = (
    select(tasks.c.queue_name, func.count().label("count"))
    .join(_due_rows, _due_rows.c.task_id == tasks.c.task_id)
    .group_by(tasks.c.queue_name)
    .order_by(func.count().desc())
)


async def count_due(connection: AsyncConnection) -> dict[str, int]:
    """Count by queue the tasks that are due and not handed to the broker (index outbox_due, primary key of tasks)."""
    return await _by_subject(connection, _due_by_queue)


_oldest_due = (
    select(_age(outbox.c.due_at))
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .where(
        _is_due,
        tasks.c.queue_name != bindparam("held_queues", type_=IDS).all_(),
        tasks.c.task_name != bindparam("held_tasks", type_=IDS).all_(),
    )
    .order_by(outbox.c.due_at)
    .limit(1)
)


async def get_oldest_due(connection: AsyncConnection, blocked: BlockedWork) -> float | None:
    """Return how long the first task that nobody holds back has been due; None if none is (index outbox_due)."""
    if blocked.everything:
        return None
    parameters = {"held_queues": list(blocked.queue_names), "held_tasks": list(blocked.task_names)}
    age: float | None = (await connection.execute(_oldest_due, parameters)).scalar()
    return age


_refused = (
    select(tasks.c.queue_name, _age(func.min(outbox.c.postponed_at)))
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .where(outbox.c.postponed_at.is_not(None))
    .group_by(tasks.c.queue_name)
    .order_by(func.min(outbox.c.postponed_at))
)


async def get_waits_for_broker(connection: AsyncConnection) -> dict[str, float]:
    """Return by queue for how long the broker has not taken a task that it was offered (index outbox_postponed)."""
    return await _by_subject(connection, _refused)


_parked = (
    select(
        tasks.c.queue_name,
        func.min(outbox.c.task_id).label("task_id"),
        # Of the same task as the id.
        func.array_agg(aggregate_order_by(outbox.c.refusal, outbox.c.task_id), type_=IDS)[1].label("reason"),
        func.count().label("tasks"),
    )
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .where(is_refused, outbox.c.parked_at.is_not(None))
    .group_by(tasks.c.queue_name)
    .order_by(func.count().desc())
    .limit(MOST_SUBJECTS)
)


async def list_parked(connection: AsyncConnection) -> dict[str, Parked]:
    """Return by queue what the broker refuses again and again (index outbox_refused)."""
    rows = await connection.execute(_parked)
    return {row.queue_name or "": Parked(row.task_id, row.reason or "", row.tasks) for row in rows}


_unreceived = and_(tasks.c.phase == Phase.QUEUED.value, tasks.c.submitted_here, tasks.c.attempt_count == 0)
_in_queue_order = (
    select(tasks.c.queue_name, tasks.c.dispatched_at)
    .where(_unreceived, tasks.c.queue_name.is_not(None))
    .order_by(tasks.c.queue_name, tasks.c.dispatched_at)
    .limit(1)
)
_first_queue = _in_queue_order.subquery()
_oldest = select(_first_queue).cte("oldest", recursive=True)
_next_queue = _in_queue_order.where(tasks.c.queue_name > _oldest.c.queue_name).lateral()
_all_queues = _oldest.union_all(select(_next_queue).select_from(_oldest.join(_next_queue, true())))
_not_picked_up = select(_all_queues.c.queue_name, _age(_all_queues.c.dispatched_at))


async def get_waits_for_pickup(connection: AsyncConnection) -> dict[str, float]:
    """Return by queue the age of the oldest dispatch of ours that no worker ever received.

    Jumps from queue to queue through index tasks_unreceived, however many tasks wait in each.
    """
    return await _by_subject(connection, _not_picked_up)


_run = _age(tasks.c.started_at)
_longest_running = (
    select(tasks.c.task_name, func.max(_run))
    .where(tasks.c.status == Status.RUNNING.value, _run > func.coalesce(tasks.c.timeout_seconds, 0))
    .group_by(tasks.c.task_name)
    .order_by(func.max(_run).desc())
)


async def get_longest_running(connection: AsyncConnection) -> dict[str, float]:
    """Return by task name how long a task has been running, if beyond its own timeout (index tasks_node_running)."""
    return await _by_subject(connection, _longest_running)


_ends = select(func.count().filter(tasks.c.status == Status.FAILED.value), func.count()).where(
    tasks.c.completed_at > func.now() - bindparam("window", type_=Interval),
    tasks.c.status.in_((Status.COMPLETED.value, Status.FAILED.value)),
)


async def count_failures(connection: AsyncConnection, *, window: timedelta) -> tuple[int, int]:
    """Return how many tasks failed within the window, and how many failed or completed (index tasks_ended)."""
    failed, finished = (await connection.execute(_ends, {"window": window})).one()
    return failed, finished


_silence = _age(last_sign())
_silent = (
    select(workers.c.node, _silence)
    .where(
        ~is_online(),
        last_sign() > func.now() - bindparam("window", type_=Interval),
        has_not_left(),
        ~is_stranger(),
    )
    .order_by(last_sign())
)


async def get_silences(connection: AsyncConnection, *, window: timedelta) -> dict[str, float]:
    """Return by hostname the silence of workers that went without a goodbye; none that is longer than the window.

    Not of nodes that were never more than a name in events: anybody could raise an alert for each of a thousand names.
    """
    silences = await _by_subject(connection, _silent, window=window)
    return {hostname(node): seconds for node, seconds in silences.items()}


_sends_no_events = (
    select(workers.c.node, literal(1.0)).where(is_online(), workers.c.events.is_(False)).order_by(workers.c.node)
)


async def list_without_events(connection: AsyncConnection) -> list[str]:
    """Return the hostnames of online workers that are known to tell nothing of their tasks."""
    return [hostname(node) for node in await _by_subject(connection, _sends_no_events)]


_begin_of_window = func.now() - bindparam("window", type_=Interval)
_missed = (
    select(
        gaps.c.source,
        cast(extract("epoch", func.sum(gaps.c.ended_at - func.greatest(gaps.c.started_at, _begin_of_window))), Float),
    )
    .where(gaps.c.ended_at > _begin_of_window)
    .group_by(gaps.c.source)
)


async def get_missed(connection: AsyncConnection, *, window: timedelta) -> dict[str, float]:
    """Return by source for how long within the window the mirror was deaf (index gaps_ended)."""
    return await _by_subject(connection, _missed, window=window)


_failing_channels = select(notification_channels.c.name, _age(notification_channels.c.failing_since)).where(
    notification_channels.c.enabled, notification_channels.c.failing_since.is_not(None)
)


async def get_failing_channels(connection: AsyncConnection) -> dict[str, float]:
    """Return by name for how long nothing came through each channel that fails. They are few: no index is needed."""
    return await _by_subject(connection, _failing_channels)


_failing_webhooks = select(webhooks.c.webhook_id, _age(webhooks.c.failing_since)).where(
    webhooks.c.failing_since.is_not(None),
    webhooks.c.state != State.DELETED.value,
    func.coalesce(webhooks.c.disabled_because, "") != Because.ASKED.value,
)


async def get_failing_webhooks(connection: AsyncConnection) -> dict[str, float]:
    """Return by webhook how long all has failed that was sent to it, also where that has disabled it (100 rows)."""
    return await _by_subject(connection, _failing_webhooks)


_served = select(func.unnest(workers.c.queues).label("queue_name")).where(is_online()).distinct()
_someone_undescribed = select(func.count()).select_from(workers).where(is_online(), workers.c.queues.is_(None))


async def list_served_queues(connection: AsyncConnection) -> frozenset[str] | None:
    """Return the queues that online workers consume; None while one of them has not yet told which."""
    if (await connection.execute(_someone_undescribed)).scalar_one():
        return None
    return frozenset(row.queue_name for row in await connection.execute(_served))


_consumed = (
    select(func.unnest(workers.c.queues).label("queue_name"))
    .where(last_sign() > func.now() - bindparam("recent", timedelta(days=7), type_=Interval))
    .distinct()
    .order_by("queue_name")
    .limit(MOST_SUBJECTS)
)


async def list_consumed_queues(connection: AsyncConnection) -> list[str]:
    """Return the queues of all workers heard within 7 days, by name."""
    return [row.queue_name for row in await connection.execute(_consumed)]
