"""`record`: the one door through which facts become rows.

The mirror, the dispatcher, cancels and the sweep all come through here. Tasks are locked in id order,
the new facts are folded together with the ones already known, and the outcome is written, all in the
caller's transaction: so nobody's write undoes what another has learned.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.deliveries import STATE_OF_FACT, is_final
from domain.facts import Fact
from domain.identities import Identity, combine
from domain.merge import TaskState, fold
from domain.results import StoredResult, ToldResult
from domain.states import STATUS_OF_ATTEMPT, TERMINAL, Status
from services.rollups import count_changes
from store.queries import events, history
from store.queries import results as stored_results
from store.queries.history import LockedTask, StateToWrite
from store.queries.workflow_steps import TaskChange, follow_tasks

log = structlog.get_logger(__name__)

NONE: frozenset[str] = frozenset()
MAX_FACTS = 1_000
"""Of one task, the first: all are read whenever one more is told. Later ones are counted."""
MAX_KEPT = 2_000
"""With those that are kept beyond `MAX_FACTS`, since they can change how the task ended."""

Told = TypeVar("Told", Fact, StoredResult)


@dataclass(frozen=True, slots=True)
class News:
    """What one source has learned about tasks."""

    facts: Sequence[Fact] = ()
    identities: Sequence[Identity] = ()
    results: Sequence[StoredResult] = ()
    told: Sequence[ToldResult] = ()
    """Of return values that nobody could read; of tasks that are not known nothing is kept."""
    begins_at: datetime | None = None
    """Of a task that is not known and was last heard of before this, nothing is recorded: retention has deleted it."""


async def record(connection: AsyncConnection, news: News) -> frozenset[str]:
    """Fold news into the tasks it concerns; returns the ids of those that reached an end by it.

    Facts of unknown tasks make them, unless they are too old (`News.begins_at`): others may submit to the same broker.
    """
    first_heard = _first_heard(news.facts)
    identities = combine(news.identities)
    task_ids = {
        *first_heard,
        *identities,
        *(result.task_id for result in chain[StoredResult | ToldResult](news.results, news.told)),
    }
    if not task_ids:
        return NONE
    locked = await history.lock_tasks(connection, list(task_ids))
    unknown = {task_id: at for task_id, at in first_heard.items() if task_id not in locked}
    if unknown and news.begins_at:
        news = _without_forgotten(news, unknown, begins_at=news.begins_at)
        unknown = {task_id: at for task_id, at in _first_heard(news.facts).items() if task_id in unknown}
    made = NONE
    if unknown:
        made = await history.add_missing_tasks(connection, unknown)
        # Another may have made some of them meanwhile.
        locked |= await history.lock_tasks(connection, list(unknown))
    if not locked:
        return NONE
    # Of those submitted here all is known; half of what a mirror of them hears would be written for nothing.
    identities = {task_id: told for task_id, told in identities.items() if _is_foreign(locked.get(task_id))}
    if identities:
        await history.write_identities(connection, identities.values())
    states = await _fold_into(connection, locked, news=news)
    await count_changes(connection, locked, states=states, made=made, identities=identities)
    await _follow(connection, locked, states=states)
    finished = frozenset(
        written.task_id
        for written in states
        if written.state.status in TERMINAL and locked[written.task_id].status not in TERMINAL
    )
    if finished:
        await history.notify_finished(connection)
    return finished


async def _fold_into(
    connection: AsyncConnection, locked: Mapping[str, LockedTask], *, news: News
) -> Sequence[StateToWrite]:
    facts, told = _without_excess(news.facts, locked)
    results = {result.task_id: _counted(result, locked) for result in news.results if result.task_id in locked}
    known = await _read_facts(connection, locked, task_ids={fact.task_id for fact in facts} | results.keys())
    fresh = _kept(_fresh((_counted(fact, locked) for fact in facts), known), known, locked=locked, told=told)
    touched = sorted({fact.task_id for fact in fresh} | {task_id for task_id, each in results.items() if each.status})
    folded = {task_id: fold(known.get(task_id, ())) for task_id in touched}
    answered = {task_id for task_id, each in results.items() if each.status}
    results = {task_id: results[task_id] for task_id in touched if _is_told_of(results.get(task_id), folded[task_id])}
    for end in _missed_ends(results.values(), folded, known=known):
        fresh.append(end)
        known.setdefault(end.task_id, []).append(end)
        folded[end.task_id] = fold(known[end.task_id])
    if fresh:
        await events.add_facts(connection, fresh)
    outdated = [task_id for task_id, state in folded.items() if _is_outdated(locked[task_id], state)]
    if outdated:
        await stored_results.drop_results(connection, outdated)
        locked = {**locked, **{task_id: _without_result(locked[task_id]) for task_id in outdated}}
    sealed = {each.task_id for each in news.told if each.unreadable}
    states = [
        _to_write(
            locked[task_id],
            state,
            facts=known.get(task_id, []),
            result=results.get(task_id),
            told=told[task_id],
            is_sealed=task_id in sealed,
        )
        for task_id, state in folded.items()
    ]
    # A backend that keeps the success of an earlier use stores nothing of this one.
    states = [replace(each, result_pending=each.result_pending and each.task_id not in answered) for each in states]
    unread = {task_id: count for task_id, count in told.items() if task_id not in folded}
    if unread:
        await history.count_left_out(connection, unread)
    await _write(connection, locked, states=states, results=results.values())
    known_of = [each for each in news.told if each.task_id in locked]
    if known_of:
        await stored_results.write_told(connection, known_of)
    return states


async def _read_facts(
    connection: AsyncConnection, locked: Mapping[str, LockedTask], *, task_ids: Collection[str]
) -> dict[str, list[Fact]]:
    if not task_ids:
        return {}
    since = min(locked[task_id].events_from for task_id in task_ids)
    return await events.get_facts(connection, list(task_ids), since=since)


def _without_excess(facts: Iterable[Fact], locked: Mapping[str, LockedTask]) -> tuple[list[Fact], Counter[str]]:
    """Those to look at, and by task how many are not: of a task that has too many already, all that change little."""
    looked_at: list[Fact] = []
    left_out: Counter[str] = Counter()
    for fact in facts:
        task = locked[fact.task_id]
        if task.fact_count < MAX_FACTS or _may_end(fact, task):
            looked_at.append(fact)
        else:
            left_out[fact.task_id] += 1
    return looked_at, left_out


def _kept(
    fresh: Iterable[Fact], known: dict[str, list[Fact]], *, locked: Mapping[str, LockedTask], told: Counter[str]
) -> list[Fact]:
    """Those for which there is room, added to what is known; all are counted."""
    kept: list[Fact] = []
    for fact in fresh:
        facts = known.setdefault(fact.task_id, [])
        told[fact.task_id] += 1
        if len(facts) < MAX_FACTS or (len(facts) < MAX_KEPT and _may_end(fact, locked[fact.task_id])):
            facts.append(fact)
            kept.append(fact)
    return kept


def _may_end(fact: Fact, task: LockedTask) -> bool:
    """Whether it may end the task otherwise than as it has ended, or is of our own doing."""
    status = STATUS_OF_ATTEMPT.get(STATE_OF_FACT[fact.type]) if fact.type in STATE_OF_FACT else None
    if status is None:
        return fact.node is None or is_final(fact)
    return status != task.status


def _window(state: TaskState, facts: Collection[Fact]) -> list[Fact] | None:
    """Of an id that is used again and again, once too much was told of it, the facts of the latest use alone."""
    if state.renewed_at is None or len(facts) <= MAX_FACTS // 2:
        return None
    return [fact for fact in facts if fact.at >= state.renewed_at]


def _is_told_of(result: StoredResult | None, state: TaskState) -> bool:
    """Whether it is an end, of the latest use of the id; the backend has that of the one before until there is one."""
    if result is None or result.status is None:
        return False
    before = state.last_use_ended_at
    return before is None or result.date_done is None or result.date_done > before


async def _follow(
    connection: AsyncConnection, locked: Mapping[str, LockedTask], *, states: Iterable[StateToWrite]
) -> None:
    """Steps of workflows have the status of their tasks."""
    changes = [
        TaskChange(workflow_id, written.task_id, written.state.status, _ended_at(written.state))
        for written in states
        if (workflow_id := locked[written.task_id].workflow_id)
        and written.state.status != locked[written.task_id].status
    ]
    if changes:
        await follow_tasks(connection, changes)


def _ended_at(state: TaskState) -> datetime | None:
    return state.completed_at or datetime.now(UTC) if state.status in TERMINAL else None


def _is_foreign(task: LockedTask | None) -> bool:
    return task is not None and not task.submitted_here


def _first_heard(facts: Iterable[Fact]) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for fact in facts:
        known = first.get(fact.task_id)
        first[fact.task_id] = min(known, fact.at) if known else fact.at
    return first


def _without_forgotten(news: News, unknown: Collection[str], *, begins_at: datetime) -> News:
    """The news without the facts of unknown tasks that nothing was heard of since."""
    recent = {fact.task_id for fact in news.facts if fact.at >= begins_at}
    facts = [fact for fact in news.facts if fact.task_id in recent or fact.task_id not in unknown]
    if len(facts) < len(news.facts):
        log.info("old_news_ignored", count=len(news.facts) - len(facts))
    return replace(news, facts=facts)


def _counted(told: Told, locked: Mapping[str, LockedTask]) -> Told:
    """With retries counted from 0, where a worker counted from elsewhere. Facts without a clock are ours already."""
    base = locked[told.task_id].retries_base
    if not base or told.retries is None or (isinstance(told, Fact) and told.clock is None):
        return told
    return replace(told, retries=max(0, told.retries - base))


def _fresh(facts: Iterable[Fact], known: Mapping[str, Iterable[Fact]]) -> list[Fact]:
    """The facts not yet stored, each once. The tasks are locked, so this cannot go stale."""
    seen = {(fact.task_id, fact.key) for stored in known.values() for fact in stored}
    fresh: list[Fact] = []
    for fact in facts:
        if (fact.task_id, fact.key) not in seen:
            seen.add((fact.task_id, fact.key))
            fresh.append(fact)
    return fresh


def _missed_ends(
    results: Iterable[StoredResult], folded: Mapping[str, TaskState], *, known: Mapping[str, Collection[Fact]]
) -> list[Fact]:
    """Ends that only the result backend tells: the facts known so far say otherwise."""
    seen_at = datetime.now(UTC)
    doubted = (result for result in results if folded[result.task_id].status is not result.status)
    told = (result.as_fact(seen_at=seen_at) for result in doubted)
    return [end for end in told if all(fact.key != end.key for fact in known.get(end.task_id, ()))]


def _to_write(
    locked: LockedTask,
    state: TaskState,
    *,
    facts: Collection[Fact],
    result: StoredResult | None,
    told: int,
    is_sealed: bool,
) -> StateToWrite:
    window = _window(state, facts)
    if window is not None:
        state, facts = fold(window), window
    has_result = locked.has_result or result is not None or is_sealed
    error = result.error if result else locked.error
    return StateToWrite(
        task_id=locked.task_id,
        state=state,
        error=(error if state.status is Status.FAILED else None) or state.exception,
        result_pending=state.leaves_result and not has_result,
        events_from=min((*(fact.at for fact in facts), *(() if window else (locked.events_from,)))),
        fact_count=len(facts) if window else max(locked.fact_count + told, len(facts)),
    )


def _is_outdated(locked: LockedTask, state: TaskState) -> bool:
    """Whether what is kept of a result, be it only what an event told, is that of an earlier use of the id."""
    ended = locked.course.completed_at
    return locked.is_result_told and state.renewed_at is not None and ended is not None and ended < state.renewed_at


def _without_result(locked: LockedTask) -> LockedTask:
    return replace(locked, is_result_told=False, has_result=False, error=None)


async def _write(
    connection: AsyncConnection,
    locked: Mapping[str, LockedTask],
    *,
    states: Sequence[StateToWrite],
    results: Collection[StoredResult],
) -> None:
    if not states:
        return
    await history.write_states(connection, states)
    await history.write_attempts(connection, states)
    shrunk = {
        written.task_id: len(written.state.attempts)
        for written in states
        if len(written.state.attempts) < locked[written.task_id].attempt_count
    }
    if shrunk:
        await history.drop_attempts_above(connection, shrunk)
    ended_as = {written.task_id: written.state.status for written in states}
    # A failure told late does not take the place of a success.
    deciding = [result for result in results if result.status is ended_as[result.task_id]]
    if deciding:
        await stored_results.write_results(connection, deciding)
