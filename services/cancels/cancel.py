"""Cancelling a task: the wish is stored first, then whatever can still be stopped is stopped, then the proof is stored.

`request_cancel` and `record_outcome` are two transactions; `enforce` acts between them, outside Postgres. A task is
CANCELLED only with proof that it will not run: it never left us, its message was taken back, or every worker that may
get it asks our gate, which now refuses it. Else a worker's own word is waited for.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change, Outcome
from domain.cancels import StopSignal, can_stop, explain, wish
from domain.consumers import CANCEL_GATE, Consumers
from domain.errors import BrokerUnavailable, TaskAlreadyFinished, TaskNotFound
from domain.facts import Fact, dispatch_number
from domain.fold import fold
from domain.redis_keys import cancelled_key, run_key
from domain.states import TERMINAL, EventType, Phase, Status
from gateway.ports import Revokes, Withdraws
from services.audit import record_change
from services.dispatch import withdrawn
from services.record import News, record
from store.queries import events, outbox
from store.queries.tasks import documents, writing
from store.queries.tasks.writing import LockedTask
from store.queries.workers.consumers import get_consumers

KEY_SECONDS = 7 * 24 * 3600
"""How long the key keeps the gate shut; `loops/cancels` renews it while the end is not proven."""
LASTING_KEY_SECONDS = 90 * 24 * 3600
"""How long the key lives where it alone is the proof: as long as a message may lie in a queue that nobody reads."""
UNSTARTED = frozenset({Phase.QUEUED, Phase.RESERVED, Phase.RETRYING})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """What became of the wish in its first transaction."""

    task_id: str
    certain: bool
    """The task is cancelled and will not run. If False, a worker may have it: enforce it and wait for proof."""
    signal: StopSignal = StopSignal.SIGTERM
    """The strongest signal that anybody has asked for."""
    phase: Phase = Phase.FINISHED
    queue_name: str | None = None
    next_run: tuple[int, int] | None = None
    """Retries and dispatch number of the run that would be next; None for a task that others submitted."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """What could be done outside Postgres."""

    workers_told: bool
    """Whether the connected workers were told to refuse or stop it."""
    gated: bool
    """Whether our gate refuses it from now on, and has let no run of it pass that we do not know of."""
    withdrawn: bool
    """Whether its message was taken out of the queue."""


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What may be answered now."""

    status: Status
    message: str
    worth_waiting: bool
    """Whether a worker may prove the end within moments."""


async def request_cancel(
    connection: AsyncConnection, task_id: str, *, author: Author | None, signal: StopSignal = StopSignal.SIGTERM
) -> CancelRequest:
    """Store the wish and take the task out of the outbox, if no dispatcher holds it there.

    A wish for SIGKILL raises one for SIGTERM; nothing lowers it again. `author`: who asks; None where a loop repeats
    what somebody has asked before.
    Raises TaskNotFound, and TaskAlreadyFinished if it ended otherwise than by a cancel.
    """
    locked = (await writing.lock_tasks(connection, [task_id])).get(task_id)
    if locked is None:
        raise TaskNotFound
    _refuse_finished(locked.status, locked.outcome)
    if locked.status == Status.CANCELLED:
        await _audit(connection, locked, author=author, certain=True, signal=None)
        return CancelRequest(task_id, certain=True)
    now = datetime.now(UTC)
    story = 0 if locked.submitted_here else await _story(connection, locked)
    facts = [wish(task_id, now, signal=signal, story=story)]
    certain = bool(await outbox.withdraw(connection, [task_id]))
    if certain:
        facts.append(withdrawn(task_id, now))
    await record(connection, News(facts=facts))
    await _audit(connection, locked, author=author, certain=certain, signal=signal)
    earlier = (await events.get_facts(connection, [task_id], since=locked.events_from))[task_id]
    state = fold(earlier)
    return CancelRequest(
        task_id,
        certain,
        signal=state.cancel_signal or signal,
        phase=state.phase,
        queue_name=locked.course.queue_name,
        next_run=_next_run(earlier),
    )


async def enforce(request: CancelRequest, *, redis: Redis, control: Revokes, mover: Withdraws) -> Enforced:
    """Shut the gate, tell the workers, take the message back. What fails is tried again by `loops/cancels`."""
    prevented = await prevent(request, redis=redis, mover=mover)
    return replace(prevented, workers_told=await revoke(control, request.task_id, signal=request.signal))


async def prevent(request: CancelRequest, *, redis: Redis, mover: Withdraws) -> Enforced:
    """Shut the gate and take the message back, without a word to the workers."""
    gated = await _shut_gate(redis, request)
    taken = await _take_back(mover, request)
    if gated and not taken:
        await _keep_key(redis, request.task_id)
    return Enforced(workers_told=False, gated=gated, withdrawn=taken)


async def revoke(control: Revokes, task_id: str, *, signal: StopSignal = StopSignal.SIGTERM) -> bool:
    """Tell every worker to refuse or stop the task; False if the broker cannot be reached now."""
    try:
        await control.revoke([task_id], terminate=True, signal=signal)
    except BrokerUnavailable:
        log.warning("revoke_not_sent", task_id=task_id)
        return False
    return True


async def record_outcome(connection: AsyncConnection, request: CancelRequest, *, enforced: Enforced) -> bool:
    """Record the end of a task that has not started, if what was done proves that it will not."""
    locked = (await writing.lock_tasks(connection, [request.task_id])).get(request.task_id)
    if locked is None or locked.status != Status.PENDING:
        return False
    by_gate = enforced.gated and await _all_ask(connection, request.queue_name)
    if not (enforced.withdrawn or by_gate):
        return False
    reason = "taken out of its queue" if enforced.withdrawn else "every worker of its queue refuses it"
    story = 0 if locked.submitted_here else await _story(connection, locked)
    await record(connection, News(facts=[withdrawn(request.task_id, datetime.now(UTC), reason=reason, story=story)]))
    return True


async def read_outcome(connection: AsyncConnection, task_id: str, *, workers_told: bool) -> CancelOutcome:
    """Return how far the cancel has come. Raises as `request_cancel` does."""
    progress = await documents.get_progress(connection, task_id)
    if progress is None:
        raise TaskNotFound
    _refuse_finished(progress.status, progress.outcome)
    status, phase = Status(progress.status), Phase(progress.phase)
    consumers = Consumers() if status is Status.CANCELLED else await get_consumers(connection)
    pool = consumers.pool_of(progress.node) if status is Status.RUNNING else None
    is_read = progress.queue_name is None or consumers.are_online(progress.queue_name)
    worth_waiting = workers_told and status is not Status.CANCELLED and (status is not Status.RUNNING or can_stop(pool))
    message = explain(status, phase, workers_told=workers_told, pool=pool, is_read=is_read)
    return CancelOutcome(status, message, worth_waiting)


async def renew_keys(redis: Redis, task_ids: Collection[str]) -> None:
    """Keep the gate shut for these. What fails is tried again in the next round."""
    try:
        async with redis.pipeline(transaction=False) as pipe:
            for task_id in task_ids:
                pipe.set(cancelled_key(task_id), "1", ex=KEY_SECONDS)
            await pipe.execute()
    except (RedisError, OSError) as error:
        log.warning("cancel_keys_not_renewed", count=len(task_ids), error=type(error).__name__)


async def _audit(
    connection: AsyncConnection, locked: LockedTask, *, author: Author | None, certain: bool, signal: StopSignal | None
) -> None:
    """Record the cancel of a task that was `locked` before it."""
    if author is None:
        return
    after = {"status": Status.CANCELLED if certain else locked.status, "signal": signal}
    outcome = Outcome.DONE if certain else Outcome.REQUESTED
    change = Change(Action.TASK_CANCEL, locked.task_id, {"status": locked.status, "signal": None}, after, outcome)
    await record_change(connection, change, author=author)


def _refuse_finished(status: str, outcome: str | None) -> None:
    if outcome is not None:
        raise TaskAlreadyFinished("The task has already finished, and nobody told how")
    if status in TERMINAL and status != Status.CANCELLED:
        raise TaskAlreadyFinished(f"The task has already finished: {status}")


async def _story(connection: AsyncConnection, locked: LockedTask) -> int:
    """Which use of an id of others' this is: each may be cancelled once."""
    facts_by_task = await events.get_facts(connection, [locked.task_id], since=locked.events_from)
    facts = facts_by_task[locked.task_id]
    return fold(facts).story + sum(fact.type is EventType.REVOKED and fact.node is None for fact in facts)


def _next_run(facts: Collection[Fact]) -> tuple[int, int] | None:
    dispatch_no = max((dispatch_number(fact) for fact in facts if fact.type is EventType.DISPATCHED), default=0)
    state = fold(facts)
    return (state.retry_count + (state.phase is Phase.RETRYING), dispatch_no) if dispatch_no else None


async def _shut_gate(redis: Redis, request: CancelRequest) -> bool:
    """Set the key; True if no unknown run had passed the gate before, which is known of tasks of ours alone."""
    retries, dispatch_no = request.next_run or (0, 0)
    try:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.set(cancelled_key(request.task_id), "1", ex=KEY_SECONDS)
            pipe.exists(run_key(request.task_id, retries=retries, dispatch_no=dispatch_no))
            _, has_run = await pipe.execute()
    except (RedisError, OSError) as error:
        log.warning("cancel_keys_not_renewed", count=1, error=type(error).__name__)
        return False
    return request.next_run is not None and request.phase in UNSTARTED and not has_run


async def _take_back(mover: Withdraws, request: CancelRequest) -> bool:
    """Whether the task's message was taken out of its queue, so that nobody gets it."""
    if request.phase not in UNSTARTED or not request.queue_name:
        return False
    try:
        return await mover.withdraw(request.task_id, request.queue_name)
    except BrokerUnavailable as error:
        log.warning("message_not_withdrawn", task_id=request.task_id, error=type(error).__name__)
        return False


async def _all_ask(connection: AsyncConnection, queue_name: str | None) -> bool:
    """Whether every known consumer of the queue asks our gate before a start."""
    return queue_name is not None and (await get_consumers(connection)).all_can(queue_name, CANCEL_GATE)


async def _keep_key(redis: Redis, task_id: str) -> None:
    try:
        await redis.expire(cancelled_key(task_id), LASTING_KEY_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("cancel_keys_not_renewed", count=1, error=type(error).__name__)
