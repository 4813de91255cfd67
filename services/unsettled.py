"""Repairing what only a worker can tell: that it runs a task whose start was missed, or knows nothing of one it had.

Ends that the result backend tells are the sweep's matter, and what a dead worker held is not judged here.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import BACKEND, NODE, Detail, Fact
from domain.merge import Attempt, fold
from domain.results import StoredResult
from domain.states import AttemptState, EventType, Phase
from services.history import News, record
from store.queries import events, history, unsettled
from store.queries.unsettled import WithWorker

BATCH_SIZE = 1_000
BEFORE_A_START = (Phase.DISPATCHING, Phase.QUEUED, Phase.RESERVED)
OPEN = (AttemptState.RECEIVED, AttemptState.STARTED)
REVOKED = "REVOKED"
OUTCOME_UNKNOWN = "OutcomeUnknown: {node} no longer has the task, and neither its end nor a result was told."


class Running(Protocol):
    """The part of `gateway.control.ActiveTask` that this needs."""

    @property
    def node(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    @property
    def started_at(self) -> datetime | None: ...


async def find_unheard(connection: AsyncConnection, running: Collection[str]) -> frozenset[str]:
    """Of tasks that workers say they run those whose start was not heard; some were never heard of at all."""
    phases = await unsettled.get_phases(connection, running)
    return frozenset(task_id for task_id in running if phases.get(task_id, Phase.QUEUED) in BEFORE_A_START)


async def record_running(connection: AsyncConnection, running: Mapping[str, Running]) -> None:
    """Store that these run. Their own events may still come; then they say it better."""
    await record(connection, News([_start(task_id, task) for task_id, task in running.items()]))


def _start(task_id: str, task: Running) -> Fact:
    return Fact(
        task_id=task_id,
        type=EventType.STARTED,
        at=task.started_at or datetime.now(UTC),
        key=f"{NODE}:{EventType.STARTED}:{task.node}:{task.pid}",
        node=task.node,
        details={"source": NODE},
    )


async def conclude(
    connection: AsyncConnection, gone: Collection[WithWorker], results: Mapping[str, StoredResult]
) -> frozenset[str]:
    """End tasks that nobody has any more: as the backend tells, and else as failed, since nobody knows how they went.

    Looks again under the lock: an attempt of which more was heard meanwhile is left alone.
    """
    ended = await record(connection, News(results=[result for result in results.values() if result.status]))
    locked = await history.lock_tasks(connection, [task.task_id for task in gone if task.task_id not in ended])
    if not locked:
        return ended
    known = await events.get_facts(connection, list(locked), since=min(task.events_from for task in locked.values()))
    facts = []
    for task in gone:
        attempt = _open_attempt(task, known.get(task.task_id, ()))
        if attempt is not None:
            facts.append(_end(task, attempt, results.get(task.task_id)))
    return ended | await record(connection, News(facts))


def _open_attempt(task: WithWorker, facts: Collection[Fact]) -> Attempt | None:
    state = fold(facts)
    if state.phase not in (Phase.RESERVED, Phase.RUNNING):
        return None
    return next((each for each in reversed(state.attempts) if each.node == task.node and each.state in OPEN), None)


def _end(task: WithWorker, attempt: Attempt, result: StoredResult | None) -> Fact:
    is_revoked = result is not None and result.state == REVOKED
    event_type = EventType.REVOKED if is_revoked else EventType.FAILED
    details: dict[str, Detail] = {"source": BACKEND if is_revoked else NODE}
    if not is_revoked:
        details["exception"] = OUTCOME_UNKNOWN.format(node=task.node)
    return Fact(
        task_id=task.task_id,
        type=event_type,
        at=datetime.now(UTC),
        key=f"{NODE}:{event_type}:{attempt.facts[0].key}",
        node=task.node,
        retries=attempt.retries,
        details=details,
    )
