"""`record`: the one door through which facts become rows.

The mirror, the dispatcher, cancels and the sweep all come through here. Tasks are locked in id order,
the new facts are folded together with the ones already known, and the outcome is written, all in the
caller's transaction: so nobody's write undoes what another has learned. Its five phases stand below in their order.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.deliveries import STATE_OF_FACT, is_final
from domain.facts import Fact
from domain.fold import TaskState, fold
from domain.identities import Identity, combine
from domain.results import StoredResult, ToldResult
from domain.states import STATUS_OF_ATTEMPT, TERMINAL, Status
from services.feed import tell_tasks
from services.rollups import count_changes
from store.queries import events
from store.queries import results as stored_results
from store.queries.tasks import writing
from store.queries.tasks.writing import LockedTask, StateToWrite
from store.queries.workflows.steps import TaskChange, follow_tasks
from store.together import together

log = structlog.get_logger(__name__)

NONE: frozenset[str] = frozenset()
MAX_FACTS = 1_000
"""How many facts of one task are stored, the first ones: all are read when one more comes. Later ones are counted."""
MAX_STORED = 2_000
"""How many facts are stored with those beyond `MAX_FACTS` that can change how the task ended."""

Told = TypeVar("Told", Fact, StoredResult)
Follows = Callable[[AsyncConnection, Sequence[TaskChange]], Awaitable[None]]
"""Does to steps of workflows what has become of their tasks."""


@dataclass(frozen=True, slots=True)
class News:
    """What one source has learned about tasks."""

    facts: Sequence[Fact] = ()
    identities: Sequence[Identity] = ()
    results: Sequence[StoredResult] = ()
    told_results: Sequence[ToldResult] = ()
    """What is known of return values that nobody could read; for tasks that are not known nothing is stored."""
    begins_at: datetime | None = None
    """A task that is not known and was last heard of before this time is not recorded: retention has deleted it."""


@dataclass(frozen=True, slots=True)
class _Locked:
    """The tasks that the news concerns, locked, and what of the news is to be looked at."""

    news: News
    tasks: Mapping[str, LockedTask]
    made: frozenset[str]
    """Tasks that were not known before."""
    identities: Mapping[str, Identity]
    """What was told of a task's name and arguments; of those submitted here all is known already."""


@dataclass(frozen=True, slots=True)
class _Learned:
    """What was told of each locked task, before and now."""

    locked: _Locked
    facts: Mapping[str, Sequence[Fact]]
    """All that are stored, `fresh` included, by task. Tasks of which nothing was told have none, whatever is stored."""
    fresh: Sequence[Fact]
    """Facts that are to be stored."""
    counts: Mapping[str, int]
    """How many facts were told now, by task, those that are not stored included."""
    results: Mapping[str, StoredResult]


@dataclass(frozen=True, slots=True)
class _Folded:
    """What follows from all that is known, to be written."""

    locked: _Locked
    fresh: Sequence[Fact]
    states: Sequence[StateToWrite]
    results: Sequence[StoredResult]
    """The results that are an end of the latest use of their id."""
    outdated: Sequence[str]
    """Tasks whose stored result is that of an earlier use of their id."""
    left_out: Mapping[str, int]
    """How many facts are not stored, by task, of those whose state stays as it is."""


async def record(connection: AsyncConnection, news: News, *, follow: Follows = follow_tasks) -> frozenset[str]:
    """Fold news into the tasks it concerns; returns the ids of those that reached an end by it.

    Facts of unknown tasks make them, unless they are too old (`News.begins_at`): others may submit to the same broker.
    """
    locked = await _lock_or_make(connection, news)
    if not locked.tasks:
        return NONE
    folded = _fold(await _learn(connection, locked))
    async with together(connection):
        await _write(connection, folded)
        finished = await _tell(connection, folded)
    changes = _changes(locked.tasks, folded.states)
    if changes:
        await follow(connection, changes)
    return finished


async def _lock_or_make(connection: AsyncConnection, news: News) -> _Locked:
    """Lock the tasks of the news, and make those of which nothing is known."""
    first_heard, identities = _first_heard(news.facts), combine(news.identities)
    results = chain[StoredResult | ToldResult](news.results, news.told_results)
    task_ids = {*first_heard, *identities, *(result.task_id for result in results)}
    tasks = await writing.lock_tasks(connection, list(task_ids)) if task_ids else {}
    missing = {task_id: at for task_id, at in first_heard.items() if task_id not in tasks}
    forgotten = _forgotten(news, missing)
    if forgotten:
        news = _without_tasks(news, forgotten)
        missing = {task_id: at for task_id, at in missing.items() if task_id not in forgotten}
    made = NONE
    if missing:
        made = await writing.add_missing_tasks(connection, missing)
        # Another may have made some of them meanwhile.
        tasks |= await writing.lock_tasks(connection, list(missing))
    # Of those submitted here all is known; half of what a mirror of them hears would be written for nothing.
    identities = {task_id: identity for task_id, identity in identities.items() if _is_foreign(tasks.get(task_id))}
    return _Locked(news, tasks, made, identities)


async def _learn(connection: AsyncConnection, locked: _Locked) -> _Learned:
    """Read what is known of the tasks, and tell from it what is new and has room."""
    tasks = locked.tasks
    looked_at, counts = _without_excess(locked.news.facts, tasks)
    results = {result.task_id: _counted(result, tasks) for result in locked.news.results if result.task_id in tasks}
    facts = await _read_facts(connection, tasks, task_ids={fact.task_id for fact in looked_at} | results.keys())
    fresh_facts = _fresh((_counted(fact, tasks) for fact in looked_at), facts)
    fresh = _with_room(fresh_facts, facts, locked=tasks, counts=counts)
    return _Learned(locked, facts, fresh, counts, results)


def _fold(learned: _Learned) -> _Folded:
    """Fold the facts of every task of which something new was told, or whose end the result backend tells."""
    tasks, facts = learned.locked.tasks, learned.facts
    answers = {task_id: result for task_id, result in learned.results.items() if result.status}
    touched = sorted({fact.task_id for fact in learned.fresh} | answers.keys())
    folded = {task_id: fold(facts.get(task_id, ())) for task_id in touched}
    results = {task_id: answers[task_id] for task_id in touched if _is_told_of(answers.get(task_id), folded[task_id])}
    ends = _missed_ends(results.values(), folded, facts_by_task=facts)
    if ends:
        facts = {**facts, **{end.task_id: [*facts.get(end.task_id, ()), end] for end in ends}}
        folded |= {end.task_id: fold(facts[end.task_id]) for end in ends}
    outdated = [task_id for task_id, state in folded.items() if _is_outdated(tasks[task_id], state)]
    if outdated:
        tasks = {**tasks, **{task_id: _without_result(tasks[task_id]) for task_id in outdated}}
    # A backend that keeps the success of an earlier use stores nothing of this one, and nothing follows what is sealed.
    awaits_none = answers.keys() | {each.task_id for each in learned.locked.news.told_results if each.unreadable}
    states = [
        _to_write(
            tasks[task_id],
            state,
            facts=facts.get(task_id, ()),
            result=results.get(task_id),
            told_count=learned.counts.get(task_id, 0),
            awaits_result=task_id not in awaits_none,
        )
        for task_id, state in folded.items()
    ]
    left_out = {task_id: count for task_id, count in learned.counts.items() if task_id not in folded}
    return _Folded(learned.locked, [*learned.fresh, *ends], states, list(results.values()), outdated, left_out)


async def _write(connection: AsyncConnection, folded: _Folded) -> None:
    """Store names, facts, states and results, each by one statement and only where there are some."""
    locked = folded.locked
    if locked.identities:
        await writing.write_identities(connection, locked.identities.values())
    if folded.fresh:
        await events.add_facts(connection, folded.fresh)
    if folded.outdated:
        await stored_results.drop_results(connection, folded.outdated)
    if folded.left_out:
        await writing.count_left_out(connection, folded.left_out)
    if folded.states:
        await _write_states(connection, locked.tasks, states=folded.states)
    await _write_results(connection, folded)


async def _tell(connection: AsyncConnection, folded: _Folded) -> frozenset[str]:
    """Tell roll-ups, the feed and those who wait for an end; returns the tasks that reached one."""
    locked, states = folded.locked, folded.states
    await count_changes(connection, locked.tasks, states=states, made=locked.made, identities=locked.identities)
    await tell_tasks(connection, locked.tasks, states=states, identities=locked.identities)
    ended = (written.task_id for written in states if written.state.status in TERMINAL)
    finished = frozenset(task_id for task_id in ended if locked.tasks[task_id].status not in TERMINAL)
    if finished:
        await writing.notify_finished(connection)
    return finished


async def _read_facts(
    connection: AsyncConnection, locked: Mapping[str, LockedTask], *, task_ids: Collection[str]
) -> dict[str, list[Fact]]:
    if not task_ids:
        return {}
    since = min(locked[task_id].events_from for task_id in task_ids)
    return await events.get_facts(connection, list(task_ids), since=since)


def _without_excess(facts: Iterable[Fact], locked: Mapping[str, LockedTask]) -> tuple[list[Fact], Counter[str]]:
    """Return the facts to look at, and by task how many are not: of a task with too many, all that change little."""
    looked_at: list[Fact] = []
    left_out: Counter[str] = Counter()
    for fact in facts:
        task = locked[fact.task_id]
        if task.fact_count < MAX_FACTS or _may_end(fact, task):
            looked_at.append(fact)
        else:
            left_out[fact.task_id] += 1
    return looked_at, left_out


def _with_room(
    fresh: Iterable[Fact],
    facts_by_task: dict[str, list[Fact]],
    *,
    locked: Mapping[str, LockedTask],
    counts: Counter[str],
) -> list[Fact]:
    """Return the facts for which there is room, added to what is known; all are counted."""
    stored: list[Fact] = []
    for fact in fresh:
        facts = facts_by_task.setdefault(fact.task_id, [])
        counts[fact.task_id] += 1
        if len(facts) < MAX_FACTS or (len(facts) < MAX_STORED and _may_end(fact, locked[fact.task_id])):
            facts.append(fact)
            stored.append(fact)
    return stored


def _may_end(fact: Fact, task: LockedTask) -> bool:
    """Whether it may end the task otherwise than as it has ended, or is of our own doing."""
    if fact.node is not None and task.submitted_here and task.status == Status.COMPLETED:
        return False  # a success of an id that nobody uses again stays, whatever a worker tells
    status = STATUS_OF_ATTEMPT.get(STATE_OF_FACT[fact.type]) if fact.type in STATE_OF_FACT else None
    if status is None:
        return fact.node is None or is_final(fact)
    return status != task.status


def _window(state: TaskState, facts: Collection[Fact]) -> list[Fact] | None:
    """Return the facts of the latest use, once too much was told of an id that is used again and again; else None."""
    if state.renewed_at is None or len(facts) <= MAX_FACTS // 2:
        return None
    return [fact for fact in facts if fact.at >= state.renewed_at]


def _is_told_of(result: StoredResult | None, state: TaskState) -> bool:
    """Whether it is an end, of the latest use of the id; the backend has that of the one before until there is one."""
    if result is None or result.status is None:
        return False
    before = state.last_use_ended_at
    return before is None or result.date_done is None or result.date_done > before


def _changes(locked: Mapping[str, LockedTask], states: Iterable[StateToWrite]) -> list[TaskChange]:
    """Steps of workflows have the status of their tasks."""
    return [
        TaskChange(workflow_id, written.task_id, written.state.status, _ended_at(written.state))
        for written in states
        if (workflow_id := locked[written.task_id].workflow_id)
        and written.state.status != locked[written.task_id].status
    ]


def _ended_at(state: TaskState) -> datetime | None:
    return state.completed_at or datetime.now(UTC) if state.status in TERMINAL else None


def _is_foreign(task: LockedTask | None) -> bool:
    return task is not None and not task.submitted_here


def _first_heard(facts: Iterable[Fact]) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for fact in facts:
        earliest = first.get(fact.task_id)
        first[fact.task_id] = min(earliest, fact.at) if earliest else fact.at
    return first


def _forgotten(news: News, missing: Mapping[str, datetime]) -> Collection[str]:
    """Return those of these unknown tasks that retention has deleted: nothing was heard of them since."""
    begins_at = news.begins_at
    if begins_at is None or not missing:
        return NONE
    return missing.keys() - {fact.task_id for fact in news.facts if fact.at >= begins_at}


def _without_tasks(news: News, forgotten: Collection[str]) -> News:
    facts = [fact for fact in news.facts if fact.task_id not in forgotten]
    log.info("old_news_ignored", count=len(news.facts) - len(facts))
    return replace(news, facts=facts)


def _counted(fact: Told, locked: Mapping[str, LockedTask]) -> Told:
    """Return the fact with retries counted from 0, where a worker counted from elsewhere."""
    base = locked[fact.task_id].retries_base
    if not base or fact.retries is None or (isinstance(fact, Fact) and fact.clock is None):
        return fact
    return replace(fact, retries=max(0, fact.retries - base))


def _fresh(facts: Iterable[Fact], facts_by_task: Mapping[str, Iterable[Fact]]) -> list[Fact]:
    """The facts not yet stored, each once. The tasks are locked, so this cannot go stale."""
    seen = {(fact.task_id, fact.key) for stored in facts_by_task.values() for fact in stored}
    fresh: list[Fact] = []
    for fact in facts:
        if (fact.task_id, fact.key) not in seen:
            seen.add((fact.task_id, fact.key))
            fresh.append(fact)
    return fresh


def _missed_ends(
    results: Iterable[StoredResult], folded: Mapping[str, TaskState], *, facts_by_task: Mapping[str, Collection[Fact]]
) -> list[Fact]:
    """Ends that only the result backend tells: the facts known so far say otherwise."""
    seen_at = datetime.now(UTC)
    doubted = (result for result in results if folded[result.task_id].status is not result.status)
    ends_told = (result.as_fact(seen_at=seen_at) for result in doubted)
    return [end for end in ends_told if all(fact.key != end.key for fact in facts_by_task.get(end.task_id, ()))]


def _to_write(
    locked: LockedTask,
    state: TaskState,
    *,
    facts: Collection[Fact],
    result: StoredResult | None,
    told_count: int,
    awaits_result: bool,
) -> StateToWrite:
    window = _window(state, facts)
    if window is not None:
        state, facts = fold(window), window
    has_result = locked.has_result or result is not None
    error = result.error if result else locked.error
    return StateToWrite(
        task_id=locked.task_id,
        state=state,
        error=(error if state.status is Status.FAILED else None) or state.exception,
        result_pending=state.leaves_result and awaits_result and not has_result,
        events_from=min((*(fact.at for fact in facts), *(() if window else (locked.events_from,)))),
        fact_count=len(facts) if window else max(locked.fact_count + told_count, len(facts)),
    )


def _is_outdated(locked: LockedTask, state: TaskState) -> bool:
    """Whether what is stored of a result, be it only what an event told, is that of an earlier use of the id."""
    ended = locked.course.completed_at
    return locked.is_result_told and state.renewed_at is not None and ended is not None and ended < state.renewed_at


def _without_result(locked: LockedTask) -> LockedTask:
    return replace(locked, is_result_told=False, has_result=False, error=None)


async def _write_states(
    connection: AsyncConnection, locked: Mapping[str, LockedTask], *, states: Sequence[StateToWrite]
) -> None:
    await writing.write_states(connection, states)
    await writing.write_attempts(connection, states)
    shrunk = {
        written.task_id: len(written.state.attempts)
        for written in states
        if len(written.state.attempts) < locked[written.task_id].attempt_count
    }
    if shrunk:
        await writing.drop_attempts_above(connection, shrunk)


async def _write_results(connection: AsyncConnection, folded: _Folded) -> None:
    if folded.results:
        ended_as = {written.task_id: written.state.status for written in folded.states}
        # A failure told late does not take the place of a success.
        deciding = [result for result in folded.results if result.status is ended_as[result.task_id]]
        if deciding:
            await stored_results.write_results(connection, deciding)
    unreadable = [each for each in folded.locked.news.told_results if each.task_id in folded.locked.tasks]
    if unreadable:
        await stored_results.write_unread_results(connection, unreadable)
