"""The statements by which results, and what is known of those that nobody can read, become rows.

Only `services/record.py` calls them, after those of `tasks/writing.py` and in their transaction. Each is one statement,
whatever the batch holds.
"""

from collections.abc import Iterable

from sqlalchemy import JSON, Boolean, Text, bindparam, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.results import StoredResult, ToldResult
from store.at_rest import AtRest, at_rest_of
from store.batch import IDS, Columns, batch_of, bind_rows
from store.tables.tasks import task_results, tasks

_RESULT: Columns = {
    "task_id": Text,
    "result": Text,
    "truncated": Boolean,
    "exception_type": Text,
    "exception_message": Text,
    "traceback": Text,
    "unreadable": Text,
    "result_repr": Text,
}
_results = batch_of(**_RESULT)
_insert_results = insert(task_results).from_select(
    tuple(_RESULT), select(*(cast(c, JSON) if c.name == "result" else c for c in _results.c))
)
_write_results = _insert_results.on_conflict_do_update(
    index_elements=["task_id"],
    set_={name: _insert_results.excluded[name] for name in list(_RESULT)[1:]}
    # Told by an event, which is heard but once.
    | {"result_repr": func.coalesce(_insert_results.excluded.result_repr, task_results.c.result_repr)},
)


async def write_results(connection: AsyncConnection, results: Iterable[StoredResult]) -> None:
    """Store true results and errors; a later one replaces an earlier."""
    vault = at_rest_of(connection)
    rows = [_row(vault, result) for result in results]
    await connection.execute(_write_results, bind_rows(tuple(_RESULT), rows))


def _row(vault: AtRest, result: StoredResult) -> tuple[object, ...]:
    this = result.task_id
    return (
        this,
        result.result_json and vault.seal_json(result.result_json, this, column="result"),
        result.result_truncated,
        result.exception_type,
        result.exception_message,
        result.traceback and vault.seal(result.traceback, this, column="traceback"),
        result.unreadable,
        result.result_repr and vault.seal(result.result_repr, this, column="result_repr"),
    )


_drop_results = delete(task_results).where(task_results.c.task_id == bindparam("task_ids", type_=IDS).any_())


async def drop_results(connection: AsyncConnection, task_ids: Iterable[str]) -> None:
    """Remove the results of tasks whose id stands for another run by now (primary key)."""
    await connection.execute(_drop_results, {"task_ids": list(task_ids)})


_TOLD = ("task_id", "result_repr", "unreadable")
_told = batch_of(task_id=Text, result_repr=Text, unreadable=Text)
_insert_told = insert(task_results).from_select(_TOLD, select(*_told.c))
_write_told = _insert_told.on_conflict_do_update(
    index_elements=["task_id"],
    set_={name: func.coalesce(_insert_told.excluded[name], task_results.c[name]) for name in _TOLD[1:]},
    where=task_results.c.result.is_(None) & ~task_results.c.truncated,
)
# A result that cannot be read is not waited for.
_stop_waiting = update(tasks).where(tasks.c.task_id == bindparam("task_ids", type_=IDS).any_(), tasks.c.result_pending)


async def write_unread_results(connection: AsyncConnection, results: Iterable[ToldResult]) -> None:
    """Store what is known of results of locked tasks that are not known themselves, beside nothing better."""
    rows = {each.task_id: each for each in results}
    vault = at_rest_of(connection)
    values = [
        (
            each.task_id,
            each.result_repr and vault.seal(each.result_repr, each.task_id, column="result_repr"),
            each.unreadable,
        )
        for each in rows.values()
    ]
    await connection.execute(_write_told, bind_rows(_TOLD, values))
    sealed = [each.task_id for each in rows.values() if each.unreadable]
    if sealed:
        await connection.execute(_stop_waiting.values(result_pending=False), {"task_ids": sealed})
