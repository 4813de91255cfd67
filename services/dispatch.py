"""Handing due tasks to the broker: claim, publish, record, all in the caller's transaction.

If anything fails after the publish, the rows stay in the outbox and go again under the same task id
and dispatch number: at least once, never lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.consumers import Consumers
from domain.degradation import BlockedWork
from domain.facts import Detail, Fact
from domain.limits import retries_base
from domain.refusals import Refusal, is_parked, pause_after
from domain.states import EventType
from gateway.messages import TaskMessage
from gateway.ports import Publishes
from gateway.publisher import Published
from services.record import News, record
from store.queries import outbox
from store.queries.outbox import DueTask, NotedRefusal
from store.queries.tasks import writing
from store.queries.workers.consumers import get_consumers, get_retry_limits

BATCH_SIZE = 500
REFUSED_BATCH = 100
"""How many tasks that were refused before one round offers, one by one."""
ROUND_ENDS_SECONDS = 10.0
LOOK_SECONDS = 0.02
DOUBTFUL_PAUSE = timedelta(seconds=1)
"""How long a task waits that the broker did not surely take: it must not hold up what can go."""


log = structlog.get_logger(__name__)


AsksBlocked = Callable[[], Awaitable[BlockedWork]]


async def _nothing_held() -> BlockedWork:
    return BlockedWork()


@dataclass(frozen=True, slots=True)
class WorkersTold:
    """What workers have said: where they take from, and the `max_retries` that tasks have by themselves."""

    consumers: Consumers
    retry_limits: Mapping[str, int]


AsksWorkers = Callable[[AsyncConnection], Awaitable[WorkersTold]]


async def read_told(connection: AsyncConnection) -> WorkersTold:
    """Return what workers say now."""
    return WorkersTold(await get_consumers(connection), await get_retry_limits(connection))


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one round did."""

    claimed: int
    published: int
    cancelled: int
    refused: int = 0


async def dispatch_due(
    connection: AsyncConnection,
    publisher: Publishes,
    *,
    blocked: AsksBlocked = _nothing_held,
    told: AsksWorkers = read_told,
    batch_size: int = BATCH_SIZE,
    doubtful_pause: timedelta = DOUBTFUL_PAUSE,
) -> Dispatched:
    """Publish one batch of due tasks that are not held back; those whose cancel was requested meanwhile end here.

    What the broker refuses is put off, and is the business of `dispatch_refused` from then on. `blocked` is asked again
    when the rows are claimed: a mark that was set meanwhile holds. Raises BrokerUnavailable if nothing could be sent.
    """
    due = await _claim(connection, blocked, batch_size=batch_size)
    return await _dispatch(connection, publisher, due=due, told=told, doubtful_pause=doubtful_pause)


async def dispatch_refused(
    connection: AsyncConnection, publisher: Publishes, *, blocked: AsksBlocked = _nothing_held
) -> Dispatched:
    """Publish due tasks that the broker has refused before. If it takes one, the others of its queue are due."""
    due = await _claim(connection, blocked, batch_size=REFUSED_BATCH, refused=True)
    done = await _dispatch(connection, publisher, due=due)
    if done.published:
        await outbox.release_refused(connection, {task.queue_name for task in due})
    return done


async def _claim(
    connection: AsyncConnection, blocked: AsksBlocked, *, batch_size: int, refused: bool = False
) -> list[DueTask]:
    before = await blocked()
    claimed = await outbox.claim_due(
        connection,
        batch_size=batch_size,
        held_queues=before.queue_names,
        held_tasks=before.task_names,
        refused=refused,
    )
    now = await blocked()
    return claimed if now == before else [task for task in claimed if not now.holds(task.queue_name, task.task_name)]


async def _dispatch(
    connection: AsyncConnection,
    publisher: Publishes,
    *,
    due: Sequence[DueTask],
    told: AsksWorkers = read_told,
    doubtful_pause: timedelta = DOUBTFUL_PAUSE,
) -> Dispatched:
    if not due:
        return Dispatched(claimed=0, published=0, cancelled=0)
    cancelled = [task for task in due if task.cancel_requested_at is not None]
    live = [task for task in due if task.cancel_requested_at is None]
    # Nobody can say what a worker would be given: it waits as what the broker refuses does, and is parked.
    unopened = {task.task_id: Refusal(f"What it was given {task.unopened}.") for task in live if task.unopened}
    to_publish = [task for task in live if not task.unopened]
    # Before the publish: a worker may well start the task before we are back.
    at = datetime.now(UTC)
    published = Published()
    if to_publish:
        published = await _publish(connection, publisher, tasks=to_publish, told=await told(connection))
    handed_over = [task for task in to_publish if task.task_id in published.sent]
    facts = [dispatched(task, at, life=published.lives.get(task.task_id)) for task in handed_over] + [
        withdrawn(task.task_id, at) for task in cancelled
    ]
    await record(connection, News(facts=facts))
    await outbox.delete_dispatched(connection, [fact.task_id for fact in facts])
    refused = {**published.refused, **unopened}
    if len(handed_over) < len(live):
        unsent = [task for task in live if task.task_id not in published.sent]
        await _put_off(connection, unsent, refused=refused, doubtful_pause=doubtful_pause)
    return Dispatched(claimed=len(due), published=len(handed_over), cancelled=len(cancelled), refused=len(refused))


async def _put_off(
    connection: AsyncConnection,
    unsent: Sequence[DueTask],
    *,
    refused: Mapping[str, Refusal],
    doubtful_pause: timedelta,
) -> None:
    noted = [_noted(task, refused[task.task_id]) for task in unsent if task.task_id in refused]
    for refusal in noted:
        if refusal.is_parked:
            log.warning("dispatch_parked", task_id=refusal.task_id, refusals=refusal.refusals, reason=refusal.reason)
    await outbox.note_refusals(connection, noted)
    doubtful = [task.task_id for task in unsent if task.task_id not in refused]
    if doubtful:
        await outbox.postpone(connection, doubtful, by=doubtful_pause)


def _noted(task: DueTask, refusal: Refusal) -> NotedRefusal:
    refusals = task.refusals + 1
    return NotedRefusal(
        task_id=task.task_id,
        refusals=refusals,
        reason=refusal.reason,
        pause=pause_after(refusals, refusal),
        is_parked=is_parked(refusals),
    )


async def _publish(
    connection: AsyncConnection, publisher: Publishes, *, tasks: Sequence[DueTask], told: WorkersTold
) -> Published:
    lists = {name: told.consumers.lists_of(name) for name in {task.queue_name for task in tasks}}
    counted = await _with_bases(connection, told, due=tasks)
    return await publisher.publish([_message(task) for task in counted], lists=lists)


async def _with_bases(connection: AsyncConnection, told: WorkersTold, *, due: Sequence[DueTask]) -> list[DueTask]:
    """The tasks with the start of their count of retries, decided at the first dispatch."""
    consumers, limits = told.consumers, told.retry_limits
    counted = [
        task if task.dispatch_no > 1 else _counted(task, consumers, own_limit=limits.get(task.task_name))
        for task in due
    ]
    bases = {task.task_id: task.retries_base for task in counted if task.retries_base and task.dispatch_no == 1}
    if bases:
        # All in order, and before the publish: what a worker tells is counted from the base.
        await writing.lock_tasks(connection, [task.task_id for task in due])
        await outbox.set_retries_bases(connection, bases)
    return counted


def _counted(task: DueTask, consumers: Consumers, *, own_limit: int | None) -> DueTask:
    base = retries_base(consumers, queue_name=task.queue_name, max_retries=task.max_retries, own_limit=own_limit)
    return replace(task, retries_base=base)


async def await_rounds(engine: AsyncEngine) -> None:
    """Return when every round that runs now has ended: what is marked since is handed over by none.

    A round that hangs is not waited for longer than 10 s, nor a database that does not answer.
    """
    try:
        async with asyncio.timeout(ROUND_ENDS_SECONDS), engine.connect() as connection:
            # Each look is a transaction of its own: within one Postgres shows the same sessions again.
            looking = await connection.execution_options(isolation_level="AUTOCOMMIT")
            now = await outbox.get_time(looking)
            while await outbox.has_rounds(looking, begun_before=now):  # noqa: ASYNC110 - only Postgres knows
                await asyncio.sleep(LOOK_SECONDS)
    except (TimeoutError, SQLAlchemyError, OSError) as error:
        log.warning("rounds_not_awaited", error=type(error).__name__)


def dispatched(task: DueTask, at: datetime, *, life: str | None = None) -> Fact:
    """Return the fact that the broker has the task's message; `life` is that of the server that took it."""
    details: dict[str, Detail] = {"dispatch_no": task.dispatch_no}
    return Fact(
        task_id=task.task_id,
        type=EventType.DISPATCHED,
        at=at,
        key=f"{EventType.DISPATCHED}:{task.dispatch_no}",
        details=details | {"broker": life} if life else details,
    )


def withdrawn(task_id: str, at: datetime, *, reason: str = "not yet handed to the broker", story: int = 0) -> Fact:
    """Return the fact that a task ended before it started: it never runs. `story`: as in `domain.cancels.wish`."""
    key = f"withdrawn:{story}" if story else "withdrawn"
    return Fact(task_id=task_id, type=EventType.REVOKED, at=at, key=key, details={"reason": reason})


def _message(task: DueTask) -> TaskMessage:
    return TaskMessage(
        task_id=task.task_id,
        task_name=task.task_name,
        args=task.args,
        kwargs=task.kwargs,
        queue_name=task.queue_name,
        priority=task.priority,
        timeout_seconds=task.timeout_seconds,
        max_retries=task.max_retries,
        dispatch_no=task.dispatch_no,
        retries_base=task.retries_base,
    )
