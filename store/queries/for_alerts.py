"""What alerts are judged by, asked of Postgres in one statement; each of its questions stays cheap with millions of
tasks stored.

Ages are in seconds by the database's clock. No answer names more than `MOST_SUBJECTS` subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    extract,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.conditions import AlertInputs, Key, Parked
from domain.alerts.held import SOMEBODY, HeldWorker
from domain.alerts.rules import AlertType
from domain.audit import NAMELESS, Action
from domain.degradation import BlockedWork
from domain.states import Phase, Status
from domain.webhooks.webhook import Because, State
from domain.workers.status import RESTART, hostname
from store.batch import IDS
from store.queries.ages import seconds_since
from store.queries.lost import doubts
from store.queries.outbox import is_calm, is_refused
from store.queries.workers.nodes import has_not_left, is_draining, is_online, is_paused, last_sign
from store.queries.workers.strangers import is_stranger
from store.tables.alerts import alerts
from store.tables.audit import audit
from store.tables.base import Time
from store.tables.notifications import notification_channels
from store.tables.tasks import gaps, outbox, tasks
from store.tables.webhooks import webhooks
from store.tables.workers import workers

MOST_SUBJECTS = 1_000
VANISHED_FOR = timedelta(minutes=1)
"""How long it is told that a worker ended without a goodbye and was started again: its alert lasts as long."""
COUNTED_DUE = 20_000
"""How many rows of a longer outbox are counted, the longest due: each costs a look into tasks, 100,000 of them 1.1 s.
"""


def _age(time: ColumnElement[Any]) -> ColumnElement[float]:
    """Never negative: the time may be by another clock."""
    return func.greatest(seconds_since(time), 0.0)


_is_due = and_(outbox.c.due_at <= func.now(), is_calm)
_due = select(outbox.c.task_id).where(_is_due).order_by(outbox.c.due_at).limit(COUNTED_DUE)
_due_rows = _due.subquery()
_due_by_queue = (
    select(tasks.c.queue_name, func.count().label("count"))
    .join(_due_rows, _due_rows.c.task_id == tasks.c.task_id)
    .group_by(tasks.c.queue_name)
    .order_by(func.count().desc())
)
"""The tasks that are due and not handed to the broker, by queue (index outbox_due, primary key of tasks)."""

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
"""How long the first task that nobody holds back has been due (index outbox_due)."""

_refused = (
    select(tasks.c.queue_name, _age(func.min(outbox.c.postponed_at)))
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .where(outbox.c.postponed_at.is_not(None))
    .group_by(tasks.c.queue_name)
    .order_by(func.min(outbox.c.postponed_at))
)
"""The time for which the broker has not taken a task that it was offered, by queue (index outbox_postponed)."""

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
)
"""What the broker refuses again and again, by queue (index outbox_refused)."""

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
"""The age of the oldest dispatch of ours that no worker ever received, by queue.

Jumps from queue to queue through index tasks_unreceived, however many tasks wait in each.
"""

_run = _age(tasks.c.started_at)
_longest_running = (
    select(tasks.c.task_name, func.max(_run))
    .where(tasks.c.status == Status.RUNNING.value, _run > func.coalesce(tasks.c.timeout_seconds, 0))
    .group_by(tasks.c.task_name)
    .order_by(func.max(_run).desc())
)
"""How long a task has been running, if beyond its own timeout, by task name (index tasks_node_running)."""

_ends = select(func.count().filter(tasks.c.status == Status.FAILED.value), func.count()).where(
    tasks.c.completed_at > func.now() - bindparam("failures", type_=Interval),
    tasks.c.status.in_((Status.COMPLETED.value, Status.FAILED.value)),
)
"""How many tasks failed within the window, and how many failed or completed (index tasks_ended)."""

_silence = _age(last_sign())
_silent = (
    select(workers.c.node, _silence)
    .where(
        ~is_online(),
        last_sign() > func.now() - bindparam("silences", type_=Interval),
        has_not_left(),
        ~is_stranger(),
    )
    .order_by(last_sign())
)
"""The silence of workers that went without a goodbye; none that is longer than the window.

Not of nodes that were never more than a name in events: anybody could raise an alert for each of a thousand names.
"""

_goodbyes = func.unnest(workers.c.goodbyes).table_valued(column("at", Time)).render_derived()
_latest_start, _start_before = workers.c.starts[1], workers.c.starts[2]
_said_goodbye = select(_goodbyes.c.at).where(_goodbyes.c.at.between(_start_before, _latest_start)).exists()
_was_unheard = select(gaps.c.source).where(gaps.c.ended_at >= workers.c.other_life_at).exists()
_vanished_workers = (
    select(workers.c.node, _age(workers.c.other_life_at))
    .where(
        is_online(),
        # A twin would have been heard again by now.
        workers.c.other_life_at.between(func.now() - literal(VANISHED_FOR), func.now() - literal(RESTART)),
        _latest_start > workers.c.last_event_at - literal(VANISHED_FOR),
        _start_before.is_not(None),
        ~_said_goodbye,
        ~_was_unheard,
    )
    .order_by(workers.c.other_life_at)
)
"""Workers of which an earlier process was heard lately, said no goodbye, and has a successor: how long it is gone."""

_sends_no_events = select(workers.c.node).where(is_online(), workers.c.events.is_(False)).order_by(workers.c.node)
"""Online workers that are known to tell nothing of their tasks."""

_begin_of_window = func.now() - bindparam("gaps", type_=Interval)
_missed = (
    select(
        gaps.c.source,
        cast(extract("epoch", func.sum(gaps.c.ended_at - func.greatest(gaps.c.started_at, _begin_of_window))), Float),
    )
    .where(gaps.c.ended_at > _begin_of_window)
    .group_by(gaps.c.source)
)
"""How long within the window the mirror was deaf, by source (index gaps_ended)."""

_failing_channels = select(notification_channels.c.name, _age(notification_channels.c.failing_since)).where(
    notification_channels.c.enabled, notification_channels.c.failing_since.is_not(None)
)
"""How long nothing has come through each channel that fails, by name. They are few: no index is needed."""

_failing_webhooks = select(webhooks.c.webhook_id, _age(webhooks.c.failing_since)).where(
    webhooks.c.failing_since.is_not(None),
    webhooks.c.state != State.DELETED.value,
    func.coalesce(webhooks.c.disabled_because, "") != Because.ASKED.value,
)
"""How long all has failed that was sent to a webhook, by its id, also where that has disabled it (100 rows)."""

_serving = (
    select(func.unnest(workers.c.queues).label("queue_name"), or_(is_paused(), is_draining()).label("held"))
    .where(is_online())
    .subquery()
)
_served = select(_serving.c.queue_name, func.bool_and(_serving.c.held)).group_by(_serving.c.queue_name)
"""The queues that online workers consume, and whether people hold back all of these."""
_online = select(func.count(), func.count().filter(workers.c.queues.is_(None))).where(is_online())
"""How many workers are online, and how many of them have not yet told which queues they consume."""

_order = (
    select(audit.c.at, case((audit.c.actor_kind.in_(NAMELESS), SOMEBODY), else_=audit.c.actor_name).label("by"))
    .where(
        audit.c.subject_id == cast(workers.c.worker_id, Text),
        audit.c.action.in_([Action.WORKER_PAUSE.value, Action.WORKER_DRAIN.value]),
    )
    .order_by(audit.c.at.desc(), audit.c.audit_id.desc())
    .limit(1)
    .lateral()
)
_was_drained = workers.c.drain_started_at.is_not(None)
_has_returned = and_(workers.c.drain_finished_at.is_not(None), is_online())
_last_of_others = select(func.max(last_sign())).where(~is_online(), ~_was_drained, ~is_stranger()).scalar_subquery()
_held = (
    select(
        workers.c.node,
        _was_drained,
        cast(extract("epoch", func.coalesce(_order.c.at, workers.c.drain_started_at)), Float),
        _order.c.by,
        workers.c.queues,
        and_(
            workers.c.drain_finished_at.is_not(None),
            ~is_online(),
            last_sign() > func.coalesce(_last_of_others, literal("-infinity").cast(Time)),
        ),
    )
    .select_from(workers.outerjoin(_order, true()))
    .where(or_(and_(_was_drained, ~_has_returned), and_(is_online(), is_paused())))
    .order_by(last_sign().desc())
)
"""Who is paused or was drained and has not come back, since when and by whom (index audit_subject)."""

_consumed = (
    select(func.unnest(workers.c.queues).label("queue_name"))
    .where(last_sign() > func.now() - bindparam("recent", timedelta(days=7), type_=Interval))
    .distinct()
    .order_by("queue_name")
)
"""The queues of all workers heard within 7 days, by name."""
_open = select(alerts.c.type, alerts.c.subject).where(alerts.c.resolved_at.is_(None))
"""Type and subject of every open alert (index alerts_open)."""

_BY_SUBJECT: dict[str, Select[*tuple[Any, ...]]] = {
    "due": _due_by_queue,
    "silent_workers": _silent,
    "vanished_workers": _vanished_workers,
    "running": _longest_running,
    "not_picked_up": _not_picked_up,
    "vanished": doubts.counts_by_queue,
    "refused": _refused,
    "failing_webhooks": _failing_webhooks,
    "missed": _missed,
    "failing_channels": _failing_channels,
}
"""Questions of which each row is a subject with its value, by the field of `AlertInputs`."""
_OTHERS: dict[str, Select[*tuple[Any, ...]]] = {
    "ends": _ends,
    "oldest_due": _oldest_due,
    "online": _online,
    "open": _open,
    "parked": _parked.limit(MOST_SUBJECTS),
    "without_events": _sends_no_events.limit(MOST_SUBJECTS),
    "served": _served,
    "held": _held.limit(MOST_SUBJECTS),
    "consumed": _consumed.limit(MOST_SUBJECTS),
}


def _answer(name: str, question: Select[*tuple[Any, ...]]) -> ColumnElement[Any]:
    """All rows of the answer, as a list of lists in JSON."""
    rows = question.subquery()
    listed = func.json_agg(func.json_build_array(*rows.c))
    return select(func.coalesce(listed, func.json_build_array())).select_from(rows).scalar_subquery().label(name)


_asked = {name: question.limit(MOST_SUBJECTS) for name, question in _BY_SUBJECT.items()} | _OTHERS
_all = select(*(_answer(name, question) for name, question in _asked.items()))


@dataclass(frozen=True, slots=True)
class Measured:
    """What Postgres knows of it all at one moment."""

    inputs: AlertInputs
    """What must be asked of the broker and of other servers is left open."""
    consumed: Sequence[str]
    """The queues of all workers heard within 7 days, by name."""
    open_alerts: frozenset[Key]


async def measure(
    connection: AsyncConnection, *, failures: timedelta, silences: timedelta, gaps: timedelta, blocked: BlockedWork
) -> Measured:
    """Ask everything; how far back failures, silences and gaps of events count is said in the other arguments."""
    windows = {"failures": failures, "silences": silences, "gaps": gaps}
    held = {"held_queues": list(blocked.queue_names), "held_tasks": list(blocked.task_names)}
    answers = (await connection.execute(_all, windows | held)).one()._mapping
    by_subject = {name: {subject or "": value for subject, value in answers[name]} for name in _BY_SUBJECT}
    for name in ("silent_workers", "vanished_workers"):
        by_subject[name] = {hostname(node): age for node, age in by_subject[name].items()}
    [[failed, finished]], [[online, undescribed]] = answers["ends"], answers["online"]
    served = dict(answers["served"])
    oldest_due = None if blocked.everything else next((age for (age,) in answers["oldest_due"]), None)
    inputs = AlertInputs(
        **by_subject,
        failed=failed,
        finished=finished,
        online_workers=online,
        # Unknown while one of them has not said which queues it consumes.
        unserved=frozenset() if undescribed else frozenset(by_subject["not_picked_up"].keys() - served.keys()),
        stopped=frozenset() if undescribed else frozenset(queue for queue, are_held in served.items() if are_held),
        held=tuple(map(_held_worker, answers["held"])),
        without_events=[hostname(node) for node in _firsts(answers["without_events"])],
        oldest_due=oldest_due,
        parked={
            queue or "": Parked(task_id, reason or "", count) for queue, task_id, reason, count in answers["parked"]
        },
    )
    open_alerts = frozenset((AlertType(kind), subject) for kind, subject in answers["open"])
    return Measured(inputs, _firsts(answers["consumed"]), open_alerts)


def _held_worker(row: Sequence[Any]) -> HeldWorker:
    node, is_drained, at, by, queues, left_last = row
    since = None if at is None else datetime.fromtimestamp(at, UTC)
    return HeldWorker(hostname(node), is_drained, since, by, frozenset(queues or ()), left_last)


def _firsts(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [row[0] for row in rows]
