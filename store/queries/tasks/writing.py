"""The statements by which facts become rows: lock tasks, write their states and attempts.

Only `services/record.py` writes by them, and by those of `store/queries/results.py`, in this order and in one
transaction. `lock_tasks` is for whoever decides by what a task is now. Each is one statement, whatever the batch holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Double,
    Integer,
    Text,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fold import Attempt, TaskState
from domain.identities import Identity
from domain.results import error_of
from domain.rollups import TaskCourse
from store.at_rest import AtRest, at_rest_of
from store.batch import IDS, Columns, batch_of, bind_rows
from store.listener import FINISHED
from store.tables.base import Time
from store.tables.search import search_queue
from store.tables.tasks import attempts, task_arguments, task_results, tasks
from store.together import together


@dataclass(frozen=True, slots=True)
class LockedTask:
    """What must be known of a task, locked, before new facts are folded in."""

    task_id: str
    status: str
    events_from: datetime
    attempt_count: int
    is_result_told: bool
    """Whether anything is kept of its result, be it only what an event told."""
    has_result: bool
    error: str | None
    """The error that its stored result tells, which is truer than an event's repr."""
    submitted_here: bool
    retries_base: int
    """The number at which Celery's count of its retries began."""
    workflow_id: UUID | None
    outcome: str | None
    fact_count: int
    """How many facts were told of it, those that are not stored included; 0 where nobody has counted yet."""
    change_count: int
    """How many changes of it the feed has told."""
    course: TaskCourse
    """What the roll-ups have counted of it."""


_LOCKED = (
    "task_id",
    "status",
    "events_from",
    "attempt_count",
    "submitted_here",
    "retries_base",
    "workflow_id",
    "outcome",
    "fact_count",
    "change_count",
)
_COURSE = {field.name: "exception" if field.name == "error" else field.name for field in fields(TaskCourse)}
_lock = (
    select(*(tasks.c[name] for name in (*_LOCKED, *_COURSE.values())))
    .where(tasks.c.task_id == bindparam("task_ids", type_=IDS).any_())
    .order_by(tasks.c.task_id)
    .with_for_update()
)
# What an event has told of a return value is no result: the backend may still have one.
_is_result = (
    task_results.c.result.is_not(None)
    | task_results.c.truncated
    | task_results.c.unreadable.is_not(None)
    | task_results.c.result_repr.is_(None)
)
_results_of = select(
    task_results.c.task_id,
    task_results.c.exception_type,
    task_results.c.exception_message,
    _is_result.label("is_result"),
).where(task_results.c.task_id == bindparam("task_ids", type_=IDS).any_())


async def lock_tasks(connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, LockedTask]:
    """Lock these tasks in the order of their ids (everyone does, so nobody deadlocks); absent ones are left out."""
    ids = {"task_ids": sorted(task_ids)}
    async with together(connection) as asking:
        tasks_asked = await asking.ask(_lock, ids)
        # A statement of its own: it sees what was committed while the locks were waited for.
        results_asked = await asking.ask(_results_of, ids)
    results = {task_id: told for task_id, *told in results_asked.rows}
    return {row[0]: _locked(row, results.get(row[0])) for row in tasks_asked.rows}


def _locked(row: Sequence[Any], result: Sequence[Any] | None) -> LockedTask:
    exception_type, exception_message, is_result = result or (None, None, False)
    return LockedTask(
        **dict(zip(_LOCKED, row[: len(_LOCKED)], strict=True)),
        course=TaskCourse(*row[len(_LOCKED) :]),
        is_result_told=result is not None,
        has_result=is_result,
        error=error_of(exception_type, exception_message) if result else None,
    )


_MISSING = ("task_id", "at")
_missing = batch_of(task_id=Text, at=Time)
_add_missing = (
    insert(tasks)
    .from_select(
        ("task_id", "status", "phase", "created_at", "events_from", "checked_at"),
        select(
            _missing.c.task_id,
            bindparam("status", "PENDING", type_=Text),
            bindparam("phase", "queued", type_=Text),
            _missing.c.at,
            _missing.c.at,
            func.now(),
        ).order_by(_missing.c.task_id),
    )
    .on_conflict_do_nothing()
    .returning(tasks.c.task_id)
)


async def add_missing_tasks(connection: AsyncConnection, first_heard: Mapping[str, datetime]) -> frozenset[str]:
    """Make rows for tasks that others submitted; returns their ids. Those that are there already stay as they are."""
    made = await connection.execute(_add_missing, bind_rows(_MISSING, first_heard.items()))
    return frozenset(row.task_id for row in made)


_STATE: Columns = {
    "task_id": Text,
    "status": Text,
    "phase": Text,
    "dispatched_at": Time,
    "first_started_at": Time,
    "started_at": Time,
    "completed_at": Time,
    "duration_seconds": Double,
    "retry_count": Integer,
    "attempt_count": Integer,
    "node": Text,
    "exception": Text,
    "cancel_requested_at": Time,
    "cancel_signal": Text,
    "reconstructed": Boolean,
    "result_pending": Boolean,
    "events_from": Time,
    "outcome": Text,
    "fact_count": Integer,
}
_states = batch_of(**_STATE)
_to_index = insert(search_queue).from_select(
    ("task_id",),
    select(tasks.c.task_id)
    .join(_states, _states.c.task_id == tasks.c.task_id)
    .where(
        or_(
            tasks.c.node.is_distinct_from(_states.c.node),
            tasks.c.exception.is_distinct_from(_states.c.exception),
            # Made by this very transaction: `add_missing_tasks`.
            tasks.c.checked_at == func.now(),
        )
    ),
)
_write_states = (
    update(tasks)
    .where(tasks.c.task_id == _states.c.task_id)
    .values(
        {name: _states.c[name] for name in list(_STATE)[1:]}
        # Of others' tasks the first sign is all we know, and it may be heard last.
        | {"created_at": case((tasks.c.submitted_here, tasks.c.created_at), else_=_states.c.events_from)}
        | {"checked_at": func.now()}
        | {"change_count": tasks.c.change_count + case((tasks.c.status != _states.c.status, 1), else_=0)}
    )
    # Sees the tasks as they were before the update.
    .add_cte(_to_index.cte("to_index"))
)


@dataclass(frozen=True, slots=True)
class StateToWrite:
    """A task's new state, with what the fold alone does not know."""

    task_id: str
    state: TaskState
    error: str | None
    result_pending: bool
    events_from: datetime
    fact_count: int


async def write_states(connection: AsyncConnection, states: Iterable[StateToWrite]) -> None:
    """Write what the facts of locked tasks say now, and queue those for search that it would find by other words."""
    await connection.execute(_write_states, bind_rows(tuple(_STATE), map(_state_row, states)))


def _state_row(written: StateToWrite) -> tuple[object, ...]:
    state = written.state
    return (
        written.task_id,
        state.status.value,
        state.phase.value,
        state.dispatched_at,
        state.first_started_at,
        state.started_at,
        state.completed_at,
        state.duration_seconds,
        state.retry_count,
        len(state.attempts),
        state.node,
        written.error,
        state.cancel_requested_at,
        state.cancel_signal,
        state.reconstructed,
        written.result_pending,
        written.events_from,
        state.outcome,
        written.fact_count,
    )


_left_out = batch_of(task_id=Text, count=Integer)
_count_left_out = (
    update(tasks)
    .where(tasks.c.task_id == _left_out.c.task_id)
    .values(fact_count=tasks.c.fact_count + _left_out.c["count"], checked_at=func.now())
)


async def count_left_out(connection: AsyncConnection, counts: Mapping[str, int]) -> None:
    """Note how many more facts of locked tasks were told and not stored (primary key)."""
    await connection.execute(_count_left_out, bind_rows(("task_id", "count"), counts.items()))


_ATTEMPT: Columns = {
    "task_id": Text,
    "number": Integer,
    "retries": Integer,
    "delivery": Integer,
    "state": Text,
    "node": Text,
    "received_at": Time,
    "started_at": Time,
    "finished_at": Time,
    "runtime_seconds": Double,
    "exception": Text,
    "traceback": Text,
}
_OF_ATTEMPT = tuple(_ATTEMPT)[1:]
_attempts = batch_of(**_ATTEMPT)
_insert_attempts = insert(attempts).from_select(tuple(_ATTEMPT), select(*_attempts.c))
_write_attempts = _insert_attempts.on_conflict_do_update(
    index_elements=["task_id", "number"],
    set_={name: _insert_attempts.excluded[name] for name in list(_ATTEMPT)[2:]},
)
_kept = batch_of(task_id=Text, attempt_count=Integer)
_drop_attempts = delete(attempts).where(
    attempts.c.task_id == _kept.c.task_id, attempts.c.number > _kept.c.attempt_count
)


async def write_attempts(connection: AsyncConnection, states: Iterable[StateToWrite]) -> None:
    """Write the attempts of these tasks over what was there."""
    vault = at_rest_of(connection)
    rows = [
        _attempt_row(vault, written.task_id, attempt=attempt)
        for written in states
        for attempt in written.state.attempts
    ]
    if rows:
        await connection.execute(_write_attempts, bind_rows(tuple(_ATTEMPT), rows))


async def drop_attempts_above(connection: AsyncConnection, counts: Mapping[str, int]) -> None:
    """Remove attempts numbered above a task's count: a late fact showed that two of them were one."""
    await connection.execute(_drop_attempts, bind_rows(("task_id", "attempt_count"), counts.items()))


def _attempt_row(vault: AtRest, task_id: str, *, attempt: Attempt) -> tuple[object, ...]:
    *others, traceback = (getattr(attempt, name) for name in _OF_ATTEMPT)
    return (task_id, *others, traceback and vault.seal(traceback, task_id, column="traceback"))


_IDENTITY = ("task_id", "task_name", "queue_name", "root_id", "parent_id")
_identities = batch_of(task_id=Text, task_name=Text, queue_name=Text, root_id=Text, parent_id=Text)
_FILLED = {
    name: func.coalesce(tasks.c[name], _identities.c[name]) for name in ("task_name", "queue_name", "root_id")
} | {
    # As `domain.identities.combine` has it.
    "parent_id": case(
        (tasks.c.task_name.is_(None), func.coalesce(tasks.c.parent_id, _identities.c.parent_id)),
        else_=tasks.c.parent_id,
    )
}
_is_news = or_(*(tasks.c[name].is_distinct_from(value) for name, value in _FILLED.items()))
_named = (
    update(tasks)
    .where(tasks.c.task_id == _identities.c.task_id, ~tasks.c.submitted_here, _is_news)
    .values(_FILLED)
    .returning(tasks.c.task_id)
    .cte("named")
)
_write_identities = insert(search_queue).from_select(("task_id",), select(_named.c.task_id))
_REPRS = ("task_id", "args_repr", "kwargs_repr")
_reprs = batch_of(task_id=Text, args_repr=Text, kwargs_repr=Text)
_write_reprs = (
    insert(task_arguments)
    .from_select(
        _REPRS, select(*_reprs.c).join(tasks, tasks.c.task_id == _reprs.c.task_id).where(~tasks.c.submitted_here)
    )
    .on_conflict_do_nothing()
)


async def write_identities(connection: AsyncConnection, identities: Iterable[Identity]) -> None:
    """Fill in what is not yet known of tasks that others submitted, and queue them for search."""
    rows = list(identities)
    names = [(i.task_id, i.task_name, i.queue_name, i.root_id, i.parent_id) for i in rows]
    await connection.execute(_write_identities, bind_rows(_IDENTITY, names))
    vault = at_rest_of(connection)
    reprs = [
        (
            i.task_id,
            i.args_repr and vault.seal(i.args_repr, i.task_id, column="args_repr"),
            i.kwargs_repr and vault.seal(i.kwargs_repr, i.task_id, column="kwargs_repr"),
        )
        for i in rows
        if i.args_repr or i.kwargs_repr
    ]
    if reprs:
        await connection.execute(_write_reprs, bind_rows(_REPRS, reprs))


async def notify_finished(connection: AsyncConnection) -> None:
    """Wake those who wait for the end of a task when this transaction commits."""
    await connection.execute(text(f"NOTIFY {FINISHED}"))
