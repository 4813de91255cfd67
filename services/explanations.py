"""Gathers what is known of a task that does not run, and has it explained (`domain/explanations.py`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.degradation import Marks
from domain.errors import TaskNotFound
from domain.explained_workers import Absence, QueueWorker
from domain.explanations import Explanation, Situation, Undispatched, explain
from domain.sight import Sight
from domain.states import Phase, Status
from domain.workers.status import hostname
from gateway.ports import ReadsQueues
from services.dashboard import ask_depths
from services.queues import Reading
from store.queries import for_explanations
from store.queries.for_queues import list_consumers_of
from store.queries.gaps import overlaps_gap
from store.queries.mirror import get_state
from store.queries.queues import list_takers
from store.queries.tasks.documents import TaskOutline, get_outline
from store.queries.workers import nodes
from store.queries.workers.nodes import WorkerRow


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this process knows of the system around a task."""

    marks: Marks
    failing: Collection[str]
    """Components whose breaker is open."""
    queues: ReadsQueues | None
    """The reader of the broker's queues; None where the broker is known to be away."""
    adopts: bool
    """Whether our workers are told to consume queues that nobody consumes."""


async def explain_task(reading: Reading, task_id: str, *, around: Surroundings, sight: Sight) -> Explanation:
    """Return why a task does not run; raises TaskNotFound if there is none that is seen.

    No connection to Postgres is held while the broker is asked.
    """
    async with reading() as connection:
        task = await get_outline(connection, task_id, sight=sight)
        if task is None:
            raise TaskNotFound
        known = await _look(connection, task, sees_all=not (sight.limits.task_names or sight.submitted_by))
    waiting, answers = await _ask_broker(task, around, is_told=known.is_told)
    return explain(
        Situation(
            now=datetime.now(UTC),
            status=task.status,
            phase=task.phase,
            task_name=task.task_name,
            queue_name=task.queue_name,
            created_at=task.created_at,
            scheduled_at=task.scheduled_at,
            dispatched_at=known.dispatched_at,
            started_at=task.started_at,
            completed_at=task.completed_at,
            cancel_requested_at=task.cancel_requested_at,
            hostname=hostname(task.node) if task.node else None,
            submitted_here=known.submitted_here,
            undispatched=known.undispatched,
            marks=around.marks,
            failing=around.failing,
            waiting=waiting,
            broker_answers=answers,
            sent_before=known.sent_before,
            workers=known.workers,
            takers=known.takers,
            adopts=around.adopts,
            heard_seconds_ago=known.heard_seconds_ago,
            had_gap=known.had_gap,
            absence=known.absence,
        )
    )


@dataclass(frozen=True, slots=True)
class _Known:
    submitted_here: bool
    dispatched_at: datetime | None
    undispatched: Undispatched | None
    sent_before: int | None
    workers: Sequence[QueueWorker]
    takers: Sequence[str]
    heard_seconds_ago: float | None
    had_gap: bool
    absence: Absence | None
    is_told: bool
    """Whether how many wait in the queue may be told."""


async def _look(connection: AsyncConnection, task: TaskOutline, *, sees_all: bool) -> _Known:
    submitted_here, dispatched_at = await for_explanations.get_dispatch(connection, task.task_id)
    before = None
    if sees_all and task.queue_name is not None and dispatched_at is not None and task.phase == Phase.QUEUED:
        before = await for_explanations.count_sent_before(connection, task.queue_name, dispatched_at=dispatched_at)
    since = dispatched_at or task.created_at
    workers = await _list_workers(connection, task)
    is_served = task.queue_name is None or any(worker.online for worker in workers)
    takers = [] if is_served else await list_takers(connection, task.queue_name or "")
    return _Known(
        submitted_here=submitted_here,
        dispatched_at=dispatched_at,
        undispatched=await for_explanations.find_undispatched(connection, task.task_id),
        sent_before=before,
        workers=workers,
        takers=takers,
        heard_seconds_ago=(await get_state(connection)).lag_seconds,
        had_gap=await overlaps_gap(connection, since=since, until=datetime.now(UTC)),
        absence=await _find_absence(connection, task) if task.status == Status.RUNNING else None,
        is_told=sees_all,
    )


async def _find_absence(connection: AsyncConnection, task: TaskOutline) -> Absence | None:
    """Return that the process which began the run is gone; None where it is heard, or nothing is known of it."""
    worker = await nodes.get_worker(connection, node=task.node) if task.node else None
    if worker is None:
        return None
    if not worker.online:
        return Absence(worker.last_sign_at, is_replaced=False)
    began, next_began = task.started_at, worker.online_at
    if began is None or next_began is None or next_began <= began:
        return None
    # After a goodbye a worker may go on for hours with what it runs.
    said_goodbye = any(began <= at <= next_began for at in worker.goodbyes or ())
    return None if said_goodbye else Absence(worker.other_life_at, is_replaced=True)


async def _list_workers(connection: AsyncConnection, task: TaskOutline) -> list[QueueWorker]:
    rows = await list_consumers_of(connection, task.queue_name) if task.queue_name else []
    knowing = await for_explanations.list_knowing_nodes(
        connection, task.task_name or "", nodes=[row.node for row in rows]
    )
    return [_queue_worker(row, knows=row.node in knowing if task.task_name else None) for row in rows]


def _queue_worker(row: WorkerRow, *, knows: bool | None) -> QueueWorker:
    is_paused = bool(row.want_paused or row.is_paused)
    return QueueWorker(
        hostname=hostname(row.node),
        online=row.online,
        held="draining" if row.is_draining else "paused" if is_paused else None,
        knows_task=knows if row.described_at is not None else None,
        running=row.running,
        capacity=row.concurrency or row.capacity,
        heard_at=row.last_sign_at,
    )


async def _ask_broker(task: TaskOutline, around: Surroundings, *, is_told: bool) -> tuple[int | None, bool | None]:
    """How many messages wait in the task's queue, and whether the broker answers; None where that is not told."""
    if task.queue_name is None or not is_told:
        return None, None
    if around.queues is None:
        return None, False
    depths = await ask_depths(around.queues, [task.queue_name])
    return (None, False) if depths is None else (depths.get(task.queue_name, 0), True)
