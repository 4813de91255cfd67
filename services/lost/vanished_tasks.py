"""Repairing what only a worker can tell: that it runs a task whose start was missed, or knows nothing of one it had.

Ends that the result backend tells are the sweep's matter, and what a dead worker held is not judged here.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.deliveries import OPEN
from domain.facts import BACKEND, NODE, Detail, Fact
from domain.fold import Attempt, fold
from domain.redaction.rules import COMMON, Redaction
from domain.results import StoredResult
from domain.states import EventType, Outcome, Phase
from gateway.control import ActiveTask
from services.record import News, record
from services.redaction import mask_errors
from store.queries import events, gaps
from store.queries.lost import vanished_tasks
from store.queries.lost.vanished_tasks import WithWorker
from store.queries.tasks import writing

BATCH_SIZE = 1_000
BEFORE_A_START = (Phase.DISPATCHING, Phase.QUEUED, Phase.RESERVED)
REVOKED = "REVOKED"
UNTOLD = "{node} no longer has the task, and neither its end nor a result was told."
SEALED = "{node} no longer has the task and told no end. The result of it {why}."
IGNORED = "{node}, which was heard all the while, no longer has the task and told no end, as when it raises Ignore."


async def find_unheard(connection: AsyncConnection, running: Collection[str]) -> frozenset[str]:
    """Return those of the tasks said to run whose start was not heard; some were never heard of at all."""
    phases = await vanished_tasks.get_phases(connection, running)
    return frozenset(task_id for task_id in running if phases.get(task_id, Phase.QUEUED) in BEFORE_A_START)


async def record_running(connection: AsyncConnection, running: Mapping[str, ActiveTask]) -> None:
    """Store that these run. Their own events may still come; then they say it better."""
    await record(connection, News([_start(task_id, task) for task_id, task in running.items()]))


def _start(task_id: str, task: ActiveTask) -> Fact:
    return Fact(
        task_id=task_id,
        type=EventType.STARTED,
        at=task.started_at or datetime.now(UTC),
        key=f"{NODE}:{EventType.STARTED}:{task.node}:{task.pid}"
        + (f":{task.started_at:%Y%m%dT%H%M}" if task.started_at else ""),
        node=task.node,
        details={"source": NODE},
    )


async def conclude(
    connection: AsyncConnection,
    attempts_gone: Collection[WithWorker],
    *,
    results: Mapping[str, StoredResult],
    redaction: Redaction = COMMON,
) -> frozenset[str]:
    """End tasks that nobody has any more: as the backend tells, and else with an outcome that is unknown.

    That nobody told is no failure: a worker may send no events, and a run that raises Ignore sends none of its end.
    Looks again under the lock: an attempt of which more was heard meanwhile is left alone.
    """
    told = News(results=[result for result in results.values() if result.status])
    ended = await record(connection, await mask_errors(connection, told, redaction=redaction))
    locked = await writing.lock_tasks(connection, [task.task_id for task in attempts_gone if task.task_id not in ended])
    if not locked:
        return ended
    facts_by_task = await events.get_facts(
        connection, list(locked), since=min(task.events_from for task in locked.values())
    )
    facts = []
    for task in attempts_gone:
        attempt = _open_attempt(task, facts_by_task.get(task.task_id, ()))
        if attempt is not None:
            result = results.get(task.task_id)
            if result is not None and result.state == REVOKED:
                facts.append(_end(task, attempt, event_type=EventType.REVOKED, details={"source": BACKEND}))
                continue
            details: dict[str, Detail] = {"source": NODE, "outcome": Outcome.UNKNOWN.value}
            why = result.unreadable if result is not None else None
            reason = SEALED if why else await _reason(connection, attempt)
            details["reason"] = reason.format(node=task.node, why=why)
            if result is not None and result.state:
                details["backend_state"] = result.state
            facts.append(_end(task, attempt, event_type=EventType.ENDED, details=details))
    return ended | await record(connection, News(facts))


def _open_attempt(task: WithWorker, facts: Collection[Fact]) -> Attempt | None:
    state = fold(facts)
    if state.phase not in (Phase.RESERVED, Phase.RUNNING):
        return None
    return next((each for each in reversed(state.attempts) if each.node == task.node and each.state in OPEN), None)


async def _reason(connection: AsyncConnection, attempt: Attempt) -> str:
    """What is known of a run that nobody has any more; without a gap in what was heard of a node that tells, more."""
    tells = any(fact.clock is not None for fact in attempt.facts)
    deaf = await gaps.overlaps_gap(connection, since=attempt.facts[0].at, until=datetime.now(UTC))
    return IGNORED if tells and not deaf else UNTOLD


def _end(task: WithWorker, attempt: Attempt, *, event_type: EventType, details: Mapping[str, Detail]) -> Fact:
    return Fact(
        task_id=task.task_id,
        type=event_type,
        at=datetime.now(UTC),
        key=f"{NODE}:{event_type}:{attempt.facts[0].key}",
        node=task.node,
        retries=attempt.retries,
        details=details,
    )
