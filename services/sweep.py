"""Repairing what events did not tell: ends from the result backend, and dispatches that the broker lost.

The sweep proves before it acts. A task counts as lost only if it was never received, is in no queue, in
nobody's unacknowledged messages and with no live worker, twice in a row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Detail, Fact, dispatch_number
from domain.results import StoredResult, ToldResult
from domain.states import EventType, Phase
from services.history import News, record
from store.queries import events, history, outbox, sweep
from store.queries.sweep import SilentTask

SILENCE = timedelta(seconds=10)
NEVER_RECEIVED = timedelta(seconds=60)
RESULT_PATIENCE = timedelta(seconds=60)
BATCH_SIZE = 1_000


class ReadsResults(Protocol):
    """The part of `gateway.results.ResultReader` that this needs."""

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What one look found."""

    looked_at: int
    repaired: frozenset[str]
    """Tasks whose end was found in the result backend."""
    unreceived: tuple[SilentTask, ...]
    """Dispatched by us long ago, never received, no result: perhaps lost."""


async def find_silent(connection: AsyncConnection) -> list[SilentTask]:
    """Tasks to look at now: unfinished and silent, or ended with their result still missing."""
    silent = await sweep.list_silent(connection, silence=SILENCE, limit=BATCH_SIZE)
    return silent + await sweep.list_result_pending(connection, silence=SILENCE, limit=BATCH_SIZE)


async def repair(
    connection: AsyncConnection, silent: Sequence[SilentTask], results: Mapping[str, StoredResult], *, now: datetime
) -> Swept:
    """Record the ends that the backend tells, give up on results that will not come, name what may be lost."""
    await sweep.mark_checked(connection, [task.task_id for task in silent])
    ended = [result for result in results.values() if result.status is not None]
    told = [
        ToldResult(result.task_id, unreadable=result.unreadable)
        for result in results.values()
        if result.unreadable and result.status is None
    ]
    repaired = await record(connection, News(results=ended, told=told))
    hopeless = [task.task_id for task in silent if task.result_pending and _waited(task, now)]
    if hopeless:
        await sweep.give_up_results(connection, hopeless)
    unreceived = tuple(task for task in silent if task.task_id not in results and _is_unreceived(task, now))
    return Swept(len(silent), repaired, unreceived)


def _waited(task: SilentTask, now: datetime) -> bool:
    return task.completed_at is None or now - task.completed_at > RESULT_PATIENCE


def _is_unreceived(task: SilentTask, now: datetime) -> bool:
    return (
        task.phase == Phase.QUEUED
        and task.submitted_here
        and task.dispatched_at is not None
        and now - task.dispatched_at > NEVER_RECEIVED
    )


async def return_to_outbox(connection: AsyncConnection, task_ids: Collection[str]) -> frozenset[str]:
    """Record these dispatches as lost and queue the tasks for another, under the same ids.

    Looks again under the lock: a task of which anything was heard meanwhile is left alone.
    """
    locked = await history.lock_tasks(connection, list(task_ids))
    if not locked:
        return frozenset()
    since = min(task.events_from for task in locked.values())
    known = await events.get_facts(connection, list(locked), since=since)
    now = datetime.now(UTC)
    latest = {task_id: _lost_dispatch(facts, now) for task_id, facts in known.items()}
    lost = {task_id: number for task_id, number in latest.items() if number is not None}
    await record(connection, News(facts=[_lost(task_id, number, now) for task_id, number in lost.items()]))
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


def _lost(task_id: str, dispatch_no: int, at: datetime) -> Fact:
    details: dict[str, Detail] = {"dispatch_no": dispatch_no, "reason": "in no queue and with no worker"}
    return Fact(task_id, EventType.LOST, at, key=f"{EventType.LOST}:{dispatch_no}", details=details)
