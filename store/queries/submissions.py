"""What clients submit: stored by one statement for a whole group, and read as it was submitted."""

from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter

from sqlalchemy import JSON, Boolean, Integer, SmallInteger, Text, Uuid, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.errors import ArgumentsNotRecorded
from domain.replays import Original
from domain.states import EventType, Phase, Status
from domain.submissions import Submission
from store.at_rest import AtRest, at_rest_of
from store.batch import Columns, batch_of, bind_rows
from store.listener import OUTBOX
from store.queries.rollups import submitted_count_statement
from store.tables.base import Time
from store.tables.search import search_queue
from store.tables.tasks import events, outbox, task_arguments, tasks

_COLUMNS: Columns = {
    "task_id": Text,
    "task_name": Text,
    "args": Text,
    "kwargs": Text,
    "queue_name": Text,
    "priority": SmallInteger,
    "max_retries": Integer,
    "timeout_seconds": Integer,
    "scheduled_at": Time,
    "created_at": Time,
    "due_at": Time,
    "phase": Text,
    "original_task_id": Text,
    "workflow_id": Uuid,
    "submitted_by": Text,
}
"""What is stored of a `Submission`: each name is that of its attribute, and of the column of `tasks` that takes it."""
_ARGUMENTS = ("args", "kwargs")
"""The arguments, which are JSON in `task_arguments` instead; `due_at` is a column of `outbox`."""
_IN_TASKS = tuple(name for name in _COLUMNS if name not in (*_ARGUMENTS, "due_at"))
_PLACES = {name: place for place, name in enumerate(_COLUMNS)}
_values = attrgetter(*("phase.value" if name == "phase" else name for name in _COLUMNS))
_source = select(*batch_of(**_COLUMNS).c).cte("submitted")
_row = _source.c

_tasks = insert(tasks).from_select(
    (*_IN_TASKS, "status", "submitted_here", "events_from", "checked_at"),
    select(
        *(_row[name] for name in _IN_TASKS),
        literal(Status.PENDING.value, Text),
        literal(True, Boolean),
        _row.created_at,
        func.now(),
    ),
)
_arguments = insert(task_arguments).from_select(
    ("task_id", *_ARGUMENTS), select(_row.task_id, *(cast(_row[name], JSON) for name in _ARGUMENTS))
)
_events = insert(events).from_select(
    ("task_id", "occurred_at", "event_key", "event_type", "details"),
    select(
        _row.task_id,
        _row.created_at,
        literal(EventType.SUBMITTED.value, Text),
        literal(EventType.SUBMITTED.value, Text),
        func.json_build_object(literal("scheduled", Text), _row.phase == bindparam("scheduled", Phase.SCHEDULED.value)),
    ),
)
_outbox = insert(outbox).from_select(("task_id", "due_at"), select(_row.task_id, _row.due_at))
_to_index = insert(search_queue).from_select(("task_id",), select(_row.task_id))
_store = select(func.pg_notify(OUTBOX, "")).add_cte(
    _tasks.cte("new_tasks"),
    _arguments.cte("new_arguments"),
    _events.cte("new_events"),
    _outbox.cte("new_outbox"),
    _to_index.cte("to_index"),
    submitted_count_statement(_source).cte("counted"),
)


async def add_submissions(connection: AsyncConnection, submissions: Sequence[Submission]) -> None:
    """Insert tasks, arguments, `submitted` events, outbox and search queue rows, and count; the commit wakes the
    dispatchers. All in one statement.
    """
    vault = at_rest_of(connection)
    rows = (_sealed(vault, row) for row in submissions) if vault.seals else map(_values, submissions)
    await connection.execute(_store, bind_rows(tuple(_COLUMNS), rows))


def _sealed(vault: AtRest, submission: Submission) -> list[object]:
    """The row with its arguments encrypted. Unencrypted they are never text in JSON, and need no other form."""
    row = list(_values(submission))
    for name in _ARGUMENTS:
        row[_PLACES[name]] = vault.seal_json(getattr(submission, name), submission.task_id, column=name)
    return row


_original = (
    select(
        *(
            cast(task_arguments.c[field.name], Text) if field.name in _ARGUMENTS else tasks.c[field.name]
            for field in fields(Original)
        )
    )
    .outerjoin(task_arguments, task_arguments.c.task_id == tasks.c.task_id)
    .where(tasks.c.task_id == bindparam("task_id"))
)


async def get_original(connection: AsyncConnection, task_id: str) -> Original | None:
    """Return a task as it was submitted, for a replay (primary keys); None if there is none.

    Raises ArgumentsNotRecorded where they are encrypted and cannot be read.
    """
    row = (await connection.execute(_original, {"task_id": task_id})).one_or_none()
    if row is None:
        return None
    original, vault = Original(*row), at_rest_of(connection)
    try:
        return replace(
            original,
            args=original.args and vault.open_json(original.args, task_id, column="args"),
            kwargs=original.kwargs and vault.open_json(original.kwargs, task_id, column="kwargs"),
        )
    except CannotOpen as error:
        raise ArgumentsNotRecorded(f"What this task was given {error.reason}.") from error
