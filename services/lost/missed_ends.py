"""Repairing what events did not tell: ends from the result backend, and dispatches that the broker lost.

The sweep proves before it acts. A task counts as lost only if it was never received, is in no queue, in
nobody's unacknowledged messages and, proven as `domain/proofs.py` says, with no worker, twice in a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Detail, Fact, dispatch_number
from domain.proofs import MOST_DISPATCHES_AT_RESTARTS, Suspect
from domain.redaction.rules import COMMON, Redaction
from domain.redis_keys import run_key
from domain.results import StoredResult, ToldResult
from domain.states import EventType, Phase
from services.record import News, record
from services.redaction import mask_errors
from store.queries import events, outbox
from store.queries.lost import missed_ends
from store.queries.lost.missed_ends import SilentTask
from store.queries.tasks import writing

TASK_SILENCE = timedelta(seconds=10)
NEVER_RECEIVED = timedelta(seconds=60)
RESULT_PATIENCE = timedelta(seconds=60)
BATCH_SIZE = 1_000
BEFORE_DISPATCH = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one look found."""

    looked_at: int
    repaired: frozenset[str]
    """Tasks whose end was found in the result backend."""
    unreceived: tuple[SilentTask, ...]
    """Tasks dispatched by us long ago, never received, and without a result: perhaps lost."""
    unreadable: frozenset[str] = frozenset()
    """Unreceived tasks of which something is stored that cannot be read: not lost, for they ran."""


async def find_silent(connection: AsyncConnection) -> list[SilentTask]:
    """Return tasks to look at now: unfinished and silent, or ended with their result still missing."""
    silent = await missed_ends.list_silent(connection, silence=TASK_SILENCE, limit=BATCH_SIZE)
    return silent + await missed_ends.list_result_pending(connection, silence=TASK_SILENCE, limit=BATCH_SIZE)


async def repair(
    connection: AsyncConnection,
    silent: Sequence[SilentTask],
    *,
    results: Mapping[str, StoredResult],
    now: datetime,
    redaction: Redaction = COMMON,
) -> Swept:
    """Record the ends that the backend tells, give up on results that will not come, name what may be lost."""
    await missed_ends.mark_checked(connection, [task.task_id for task in silent])
    ended = [result for result in results.values() if result.status is not None]
    results_told = [
        ToldResult(result.task_id, unreadable=result.unreadable)
        for result in results.values()
        if result.unreadable and result.status is None
    ]
    news = await mask_errors(connection, News(results=ended, told_results=results_told), redaction=redaction)
    repaired = await record(connection, news)
    hopeless = [task.task_id for task in silent if task.result_pending and _waited(task, now)]
    if hopeless:
        await missed_ends.give_up_results(connection, hopeless)
    waiting = [task for task in silent if _is_unreceived(task, now)]
    unreceived = tuple(task for task in waiting if task.task_id not in results)
    stored = {task.task_id: results[task.task_id] for task in waiting if task.task_id in results}
    unreadable = frozenset(task_id for task_id, result in stored.items() if result.is_unread)
    return Swept(len(silent), repaired, unreceived, unreadable)


def _waited(task: SilentTask, now: datetime) -> bool:
    return task.completed_at is None or now - task.completed_at > RESULT_PATIENCE


def _is_unreceived(task: SilentTask, now: datetime) -> bool:
    return (
        task.phase == Phase.QUEUED
        and task.submitted_here
        and task.attempt_count == 0
        and task.dispatched_at is not None
        and now - task.dispatched_at > NEVER_RECEIVED
    )


async def read_suspects(connection: AsyncConnection, missing: Sequence[SilentTask]) -> list[Suspect]:
    """Return what is known of the last dispatch of each, without those of which none is known."""
    since = min(task.dispatched_at for task in missing if task.dispatched_at) - BEFORE_DISPATCH
    facts_by_task = await events.get_facts(connection, [task.task_id for task in missing], since=since)
    suspects = (_suspect(task, facts_by_task.get(task.task_id, ())) for task in missing)
    return [suspect for suspect in suspects if suspect is not None]


def _suspect(task: SilentTask, facts: Sequence[Fact]) -> Suspect | None:
    dispatches = [fact for fact in facts if fact.type is EventType.DISPATCHED]
    if not dispatches:
        return None
    last = max(dispatches, key=dispatch_number)
    life = last.details.get("broker")
    return Suspect(
        task_id=task.task_id,
        queue_name=task.queue_name,
        since=last.at,
        life=life if isinstance(life, str) else None,
        dispatches=dispatch_number(last),
    )


def run_keys(tasks: Sequence[SilentTask]) -> dict[str, list[str]]:
    """Map each task to the keys under which our plugin notes that it has begun to run it, whichever dispatch
    that was."""
    numbers = range(1, MOST_DISPATCHES_AT_RESTARTS + 1)
    return {
        task.task_id: [
            run_key(task.task_id, retries=retries, dispatch_no=number)
            for retries in {0, task.retries_base}
            for number in numbers
        ]
        for task in tasks
    }


async def return_to_outbox(connection: AsyncConnection, proofs: Mapping[str, str]) -> frozenset[str]:
    """Record these dispatches as lost, with how that is known, and queue the tasks for another, under the same ids.

    Looks again under the lock: a task of which anything was heard meanwhile is left alone.
    """
    locked = await writing.lock_tasks(connection, list(proofs))
    if not locked:
        return frozenset()
    since = min(task.events_from for task in locked.values())
    facts_by_task = await events.get_facts(connection, list(locked), since=since)
    now = datetime.now(UTC)
    latest = {task_id: _lost_dispatch(facts, now) for task_id, facts in facts_by_task.items()}
    lost = {task_id: number for task_id, number in latest.items() if number is not None}
    await record(
        connection,
        News(facts=[_lost(task_id, number, at=now, proof=proofs[task_id]) for task_id, number in lost.items()]),
    )
    if lost:
        await outbox.put_back(connection, {task_id: number + 1 for task_id, number in lost.items()})
    return frozenset(lost)


def _lost_dispatch(facts: Sequence[Fact], now: datetime) -> int | None:
    """The number of the last dispatch; None if it is recent, already counted as lost, or anything was heard since."""
    heard = {EventType.SUBMITTED, EventType.DISPATCHED, EventType.LOST}
    if any(fact.type not in heard for fact in facts):
        return None
    last = max((fact for fact in facts if fact.type is not EventType.SUBMITTED), key=_dispatch_no, default=None)
    if last is None or last.type is EventType.LOST or now - last.at <= NEVER_RECEIVED:
        return None
    return _dispatch_no(last)[0]


def _dispatch_no(fact: Fact) -> tuple[int, bool]:
    """Sorts dispatches, each before its loss."""
    return dispatch_number(fact), fact.type is EventType.LOST


def _lost(task_id: str, dispatch_no: int, *, at: datetime, proof: str) -> Fact:
    details: dict[str, Detail] = {"dispatch_no": dispatch_no, "reason": f"in no queue and with no worker: {proof}"}
    return Fact(task_id, EventType.LOST, at, key=f"{EventType.LOST}:{dispatch_no}", details=details)
