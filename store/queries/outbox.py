"""The outbox: what must still be handed to the broker, and when."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from itertools import starmap
from typing import Any

from sqlalchemy import (
    Boolean,
    Integer,
    Interval,
    Text,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from store.at_rest import AtRest, at_rest_of
from store.batch import IDS, batch_of, bind_rows
from store.listener import OUTBOX
from store.queries.leadership import DISPATCH
from store.tables.tasks import outbox, task_arguments, tasks
from store.together import together

CLAIMED_BYTES = 2 * 1024 * 1024
"""How many bytes of arguments a claim holds beside small ones, or one task's where those alone are larger: they are
parsed where all loops run, 15 ms for each MiB.
"""
SMALL_BYTES = 1_000
"""Stored size up to which arguments count as small. Unpacked they may be 90 KiB of text: 500 are 45 MiB at worst."""
READ_AT_ONCE = 2
"""How many tasks with larger arguments are read at once."""


@dataclass(frozen=True, slots=True)
class DueTask:
    """A claimed outbox row with all that its message needs; `_claim` selects the fields in this order."""

    task_id: str
    dispatch_no: int
    task_name: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue_name: str
    priority: int
    max_retries: int | None
    timeout_seconds: int | None
    cancel_requested_at: datetime | None
    retries_base: int
    refusals: int
    """How often the broker has refused it."""
    unopened: str | None = None
    """Why its arguments, which are encrypted at rest, cannot be read; then they are empty here."""


is_calm = outbox.c.refusals <= literal_column("0")
is_refused = outbox.c.refusals > literal_column("0")
"""The condition of what the broker has refused, with literals for the sake of the two partial indexes. `= 0` PostgreSQL
takes for one row in 200 where it has no statistics, and sorts all that is due: 144 ms a claim at 53,000 rows, instead
of 6.
"""
any_calm_due = exists().where(outbox.c.due_at <= func.now(), is_calm)
"""Whether `claim_due` may find anything (index outbox_due)."""
any_refused_due = exists().where(outbox.c.due_at <= func.now(), is_refused)
"""Whether it may find anything that the broker has refused (index outbox_refused)."""
_stored_bytes = func.coalesce(func.pg_column_size(task_arguments.c.args), 0) + func.coalesce(
    func.pg_column_size(task_arguments.c.kwargs), 0
)
_is_small = _stored_bytes <= SMALL_BYTES

_claim = (
    select(
        outbox.c.task_id,
        outbox.c.dispatch_no,
        tasks.c.task_name,
        # Large ones are read one after the other, as far as there is room for them.
        case((_is_small, task_arguments.c.args)).label("args"),
        case((_is_small, task_arguments.c.kwargs)).label("kwargs"),
        tasks.c.queue_name,
        tasks.c.priority,
        tasks.c.max_retries,
        tasks.c.timeout_seconds,
        tasks.c.cancel_requested_at,
        tasks.c.retries_base,
        outbox.c.refusals,
    )
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .join(task_arguments, task_arguments.c.task_id == outbox.c.task_id)
    .where(
        outbox.c.due_at <= func.now(),
        tasks.c.queue_name != bindparam("held_queues", type_=IDS).all_(),
        tasks.c.task_name != bindparam("held_tasks", type_=IDS).all_(),
        # Taken once, before any row is: by this lock `has_rounds` knows who is about to publish.
        select(cast(func.pg_advisory_xact_lock_shared(DISPATCH), Text)).scalar_subquery().is_not(None),
    )
    .order_by(outbox.c.due_at, outbox.c.task_id)
    .limit(bindparam("batch_size", type_=Integer))
    .with_for_update(of=outbox, skip_locked=True)
)
_claim_calm, _claim_refused = _claim.where(is_calm), _claim.where(is_refused)


async def claim_due(
    connection: AsyncConnection,
    *,
    batch_size: int,
    held_queues: Collection[str] = (),
    held_tasks: Collection[str] = (),
    refused: bool = False,
    claimed_bytes: int = CLAIMED_BYTES,
) -> list[DueTask]:
    """Lock up to `batch_size` due rows that no other dispatcher holds, longest due first (index outbox_due).

    Rows of the held queues and task names are passed over. What the broker has refused before is claimed apart from
    all else, with `refused` (index outbox_refused). Of those with large arguments no more are returned than
    `claimed_bytes` hold; the others are due again at once, behind what has come meanwhile.
    """
    parameters = {"batch_size": batch_size, "held_queues": list(held_queues), "held_tasks": list(held_tasks)}
    claim = _claim_refused if refused else _claim_calm
    async with together(connection) as asking:  # with the BEGIN of the transaction
        due = await asking.ask(claim, parameters)
    claimed = list(starmap(DueTask, due.rows))
    vault = at_rest_of(connection)
    return [_opened(vault, task) for task in await _with_large(connection, claimed, most_bytes=claimed_bytes)]


def _opened(vault: AtRest, task: DueTask) -> DueTask:
    """The task with the arguments that a worker is to be given. Encrypted they are text, which arguments never are."""
    args, kwargs = task.args, task.kwargs
    if not isinstance(args, str) and not isinstance(kwargs, str):
        return task
    try:
        return replace(
            task,
            args=vault.open_value(args, task.task_id, column="args"),
            kwargs=vault.open_value(kwargs, task.task_id, column="kwargs"),
        )
    except CannotOpen as error:
        return replace(task, args=[], kwargs={}, unopened=error.reason)


_large = select(
    task_arguments.c.task_id,
    task_arguments.c.args,
    task_arguments.c.kwargs,
    func.octet_length(cast(task_arguments.c.args, Text)) + func.octet_length(cast(task_arguments.c.kwargs, Text)),
).where(task_arguments.c.task_id == bindparam("task_ids", type_=IDS).any_())
_defer = (
    update(outbox)
    .where(outbox.c.task_id == bindparam("task_ids", type_=IDS).any_())
    .values(due_at=func.clock_timestamp())
)


async def _with_large(connection: AsyncConnection, claimed: list[DueTask], *, most_bytes: int) -> list[DueTask]:
    """Return these with the arguments that were left out, but for those that have to wait (primary key)."""
    unread = deque(task.task_id for task in claimed if task.args is None)
    arguments: dict[str, tuple[list[Any], dict[str, Any]]] = {}
    bytes_so_far = 0
    while unread and bytes_so_far < most_bytes:
        portion = [unread.popleft() for _ in range(min(READ_AT_ONCE, len(unread)))]
        for task_id, args, kwargs, size in await connection.execute(_large, {"task_ids": portion}):
            arguments[task_id] = (args, kwargs)
            bytes_so_far += size or 0
    if unread:
        await connection.execute(_defer, {"task_ids": list(unread)})
    small_or_read = [task for task in claimed if task.args is not None or task.task_id in arguments]
    return [
        replace(task, args=arguments[task.task_id][0], kwargs=arguments[task.task_id][1])
        if task.task_id in arguments
        else task
        for task in small_or_read
    ]


_rounds = text(
    """
    SELECT EXISTS (
        SELECT FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND classid = 0 AND objid = :lock AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND coalesce(xact_start < :begun_before, true)
    )
    """
)


async def has_rounds(connection: AsyncConnection, *, begun_before: datetime) -> bool:
    """Tell whether a transaction that began before then has claimed rows, or is about to, and has not ended."""
    parameters = {"lock": DISPATCH, "begun_before": begun_before}
    return bool((await connection.execute(_rounds, parameters)).scalar_one())


async def get_time(connection: AsyncConnection) -> datetime:
    """Return the database's clock."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now


_delete = delete(outbox).where(outbox.c.task_id == bindparam("task_ids", type_=IDS).any_())
_postpone = (
    update(outbox)
    .where(outbox.c.task_id == bindparam("task_ids", type_=IDS).any_())
    .values(
        due_at=func.clock_timestamp() + bindparam("by", type_=Interval),
        postponed_at=func.coalesce(outbox.c.postponed_at, func.now()),
    )
)
_held_by_nobody = (
    select(outbox.c.task_id)
    .where(outbox.c.task_id == bindparam("task_ids", type_=IDS).any_())
    .with_for_update(skip_locked=True)
)
_withdraw = delete(outbox).where(outbox.c.task_id.in_(_held_by_nobody)).returning(outbox.c.task_id)


async def delete_dispatched(connection: AsyncConnection, task_ids: Sequence[str]) -> None:
    """Remove rows whose messages the broker has; the caller holds their locks."""
    await connection.execute(_delete, {"task_ids": list(task_ids)})


async def postpone(connection: AsyncConnection, task_ids: Sequence[str], *, by: timedelta) -> None:
    """Make rows due again after this long; the caller holds their locks."""
    await connection.execute(_postpone, {"task_ids": list(task_ids), "by": by})


async def withdraw(connection: AsyncConnection, task_ids: Sequence[str]) -> frozenset[str]:
    """Remove rows not yet dispatched and return their tasks; a row that a dispatcher holds stays: it counts as
    dispatched.
    """
    return frozenset(row.task_id for row in await connection.execute(_withdraw, {"task_ids": list(task_ids)}))


_REFUSED = ("task_id", "refusals", "refusal", "pause", "is_parked")
_refused = batch_of(task_id=Text, refusals=Integer, refusal=Text, pause=Interval, is_parked=Boolean)
_note_refused = (
    update(outbox)
    .where(outbox.c.task_id == _refused.c.task_id)
    .values(
        refusals=_refused.c.refusals,
        refusal=_refused.c.refusal,
        due_at=func.clock_timestamp() + _refused.c.pause,
        postponed_at=func.coalesce(outbox.c.postponed_at, func.now()),
        parked_at=case((_refused.c.is_parked, func.coalesce(outbox.c.parked_at, func.now()))),
    )
)


@dataclass(frozen=True, slots=True)
class NotedRefusal:
    """A refusal and what follows from it; the fields are as `_REFUSED`."""

    task_id: str
    refusals: int
    reason: str
    pause: timedelta
    is_parked: bool


async def note_refusals(connection: AsyncConnection, refusals: Sequence[NotedRefusal]) -> None:
    """Put these off, out of the way of all others; the caller holds their locks."""
    if refusals:
        await connection.execute(_note_refused, bind_rows(_REFUSED, map(astuple, refusals)))


MOST_RELEASED = 10_000
_of_queues = (
    select(outbox.c.task_id)
    .join(tasks, tasks.c.task_id == outbox.c.task_id)
    .where(
        is_refused,
        outbox.c.due_at > func.clock_timestamp(),
        tasks.c.queue_name == bindparam("queue_names", type_=IDS).any_(),
    )
    .limit(MOST_RELEASED)
    .with_for_update(of=outbox, skip_locked=True)
)
_release = update(outbox).where(outbox.c.task_id.in_(_of_queues)).values(due_at=func.clock_timestamp())


async def release_refused(connection: AsyncConnection, queue_names: Collection[str]) -> None:
    """Make what was refused in these queues due at once: the broker takes such tasks again (index outbox_refused)."""
    await connection.execute(_release, {"queue_names": list(queue_names)})


_BASE = ("task_id", "retries_base")
_bases = batch_of(task_id=Text, retries_base=Integer)
_set_bases = update(tasks).where(tasks.c.task_id == _bases.c.task_id).values(retries_base=_bases.c.retries_base)


async def set_retries_bases(connection: AsyncConnection, bases: Mapping[str, int]) -> None:
    """Note where the counts of these tasks begin; the caller holds their locks."""
    await connection.execute(_set_bases, bind_rows(_BASE, bases.items()))


_next_due = select(func.min(outbox.c.due_at) - func.clock_timestamp()).where(outbox.c.due_at > func.now(), is_calm)


async def get_time_to_next_due(connection: AsyncConnection) -> timedelta | None:
    """Return how long until the next row falls due that `claim_due` of this transaction did not see; None if none
    waits.

    Of what the broker has refused nothing is said: it is looked for every second.

    Both look from the transaction's start, so a row that falls due between them is not missed; its time is negative.
    """
    left: timedelta | None = (await connection.execute(_next_due)).scalar_one()
    return left


_RETURNED = ("task_id", "dispatch_no")
_returned = batch_of(task_id=Text, dispatch_no=Integer)
_put_back = (
    insert(outbox)
    .from_select(
        ("task_id", "due_at", "dispatch_no"),
        select(_returned.c.task_id, func.clock_timestamp(), _returned.c.dispatch_no),
    )
    .on_conflict_do_nothing()
)


async def put_back(connection: AsyncConnection, dispatch_nos: Mapping[str, int]) -> None:
    """Queue tasks for another dispatch, due at once, under these dispatch numbers."""
    await connection.execute(_put_back, bind_rows(_RETURNED, dispatch_nos.items()))
    await notify(connection)


async def notify(connection: AsyncConnection) -> None:
    """Wake the dispatchers when this transaction commits."""
    await connection.execute(text(f"NOTIFY {OUTBOX}"))
