"""Rows that hold what the current key has not encrypted: found in the order of their keys, and encrypted anew.

Which columns those are stands here for all tables, in `TABLES`. Text in them is encrypted as it is written, elsewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen, is_marked
from store.at_rest import AtRest, at_rest_of
from store.queries.events import TRACEBACK
from store.queries.workflows.documents import owner_of
from store.tables.notifications import notification_channels
from store.tables.search import search_queue
from store.tables.tasks import attempts, events, idempotency_keys, task_arguments, task_results
from store.tables.webhooks import webhook_attempts, webhook_deliveries, webhooks
from store.tables.workflows import workflow_submissions

Key = tuple[Any, ...]
DETAILS = "details"


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with columns that are encrypted."""

    table: Table
    columns: tuple[str, ...]
    owner: Callable[[Any], str]
    """What the values of a row are bound to."""

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """The columns of its primary key."""
        return tuple(self.table.primary_key.columns)


def _task_of(row: Any) -> str:
    return str(row.task_id)


TABLES = (
    SealedTable(task_arguments, ("args", "kwargs", "args_repr", "kwargs_repr"), _task_of),
    SealedTable(task_results, ("result", "result_repr", "traceback"), _task_of),
    SealedTable(attempts, ("traceback",), _task_of),
    SealedTable(events, (DETAILS,), _task_of),
    SealedTable(workflow_submissions, ("args", "kwargs"), lambda row: owner_of(row.workflow_id, row.position)),
    SealedTable(notification_channels, ("url",), lambda row: str(row.channel_id)),
    SealedTable(webhooks, ("headers", "secret", "previous_secret"), lambda row: str(row.webhook_id)),
    SealedTable(webhook_deliveries, ("body",), lambda row: str(row.delivery_id)),
    SealedTable(webhook_attempts, ("answer",), lambda row: str(row.delivery_id)),
    SealedTable(idempotency_keys, ("answer",), lambda row: bytes(row.request_hash).hex()),
)


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows that follow one another: those that are to be encrypted anew, and the last of all."""

    stale: Sequence[Key]
    last: Key | None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of the rows of one call."""

    encrypted: int = 0
    unreadable: int = 0
    """Rows with a value that none of the keys opens; it stays as it is."""
    locked: int = 0
    """Rows that somebody else has locked just now."""


async def list_stale(connection: AsyncConnection, one: SealedTable, *, after: Key | None, limit: int) -> Window:
    """Look at the next `limit` rows behind this key (primary key)."""
    statement = select(*one.key, _is_stale(one, at_rest_of(connection)).label("is_stale"))
    if after is not None:
        statement = statement.where(tuple_(*one.key) > tuple_(*map(_typed, after, one.key)))
    rows = (await connection.execute(statement.order_by(*one.key).limit(limit))).all()
    return Window([tuple(row[:-1]) for row in rows if row.is_stale], tuple(rows[-1][:-1]) if rows else None)


async def count_stale(connection: AsyncConnection, one: SealedTable, *, most: int) -> int:
    """Return how many rows hold what the current key has not encrypted, up to `most`. Reads the table until then."""
    stale = select(literal(1)).select_from(one.table).where(_is_stale(one, at_rest_of(connection))).limit(most)
    count: int = (await connection.execute(select(func.count()).select_from(stale.subquery()))).scalar_one()
    return count


async def encrypt_anew(connection: AsyncConnection, one: SealedTable, *, keys: Sequence[Key]) -> Rewritten:
    """Encrypt these rows with the current key, but for those that are locked (primary key).

    Tasks whose arguments could be read until now are queued for search, which then forgets the words of them.
    """
    vault = at_rest_of(connection)
    rows = (await connection.execute(_locking(one, keys))).all()
    values, unreadable = [], 0
    for row in rows:
        changed, is_readable = _resealed(one, vault, row=row)
        unreadable += not is_readable
        if changed:
            values.append({f"key_{column.name}": row._mapping[column.name] for column in one.key} | changed)
    if values:
        await connection.execute(_update(one), values)
    if one.table is task_arguments:
        plain = [{"task_id": row.task_id} for row in rows if _was_plain(row)]
        if plain:
            await connection.execute(insert(search_queue), plain)
    return Rewritten(encrypted=len(values), unreadable=unreadable, locked=len(keys) - len(rows))


def _is_stale(one: SealedTable, vault: AtRest) -> ColumnElement[bool]:
    if vault.prefix is None:
        return false()
    return or_(*(_is_stale_column(one.table.c[name], vault.prefix) for name in one.columns))


def _is_stale_column(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    if column.name == DETAILS:
        column = column[TRACEBACK].as_string()
    elif isinstance(column.type, JSON):
        column, prefix = cast(column, Text), f'"{prefix}'
    # Of a large value `left` unpacks no more than its beginning.
    beginning = func.left(column, len(prefix))
    return func.coalesce(and_(beginning != "", beginning != prefix), False)


def _typed(value: Any, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(value, column.type)


def _locking(one: SealedTable, keys: Sequence[Key]) -> Select[Any]:
    texts = (
        cast(one.table.c[name], Text).label(name) if name != DETAILS else one.table.c[name] for name in one.columns
    )
    wanted = or_(*(and_(*(column == value for column, value in zip(one.key, key, strict=True))) for key in keys))
    return select(*one.key, *texts).where(wanted).order_by(*one.key).with_for_update(skip_locked=True)


def _update(one: SealedTable) -> Any:
    this = and_(*(column == bindparam(f"key_{column.name}", type_=column.type) for column in one.key))
    news = {
        name: bindparam(f"new_{name}", type_=column.type)
        if name == DETAILS
        else cast(bindparam(f"new_{name}", type_=Text), column.type)
        for name in one.columns
        for column in (one.table.c[name],)
    }
    return update(one.table).where(this).values(news)


def _resealed(one: SealedTable, vault: AtRest, *, row: Any) -> tuple[dict[str, Any], bool]:
    """The row's new values, none if no column of it is to change, and whether all of it could be read."""
    owner, is_readable, has_changed = one.owner(row), True, False
    news: dict[str, Any] = {}
    for name in one.columns:
        stored = row._mapping[name]
        news[f"new_{name}"] = stored
        if stored is None or _is_current(one, vault, name=name, stored=stored):
            continue
        try:
            news[f"new_{name}"] = _reseal(one, vault, owner=owner, name=name, stored=stored)
            has_changed = True
        except CannotOpen:
            is_readable = False
    return (news if has_changed else {}), is_readable


def _is_current(one: SealedTable, vault: AtRest, *, name: str, stored: Any) -> bool:
    text = stored.get(TRACEBACK) if name == DETAILS else stored
    is_json = name != DETAILS and isinstance(one.table.c[name].type, JSON)
    return not text or (vault.prefix is not None and text.removeprefix('"' if is_json else "").startswith(vault.prefix))


def _reseal(one: SealedTable, vault: AtRest, *, owner: str, name: str, stored: Any) -> Any:
    if name == DETAILS:
        text = vault.open(stored[TRACEBACK], owner, column=TRACEBACK)
        return stored | {TRACEBACK: vault.seal(text, owner, column=TRACEBACK)}
    if isinstance(one.table.c[name].type, JSON):
        return vault.seal_json(vault.open_json(stored, owner, column=name), owner, column=name)
    return vault.seal(vault.open(stored, owner, column=name), owner, column=name)


def _was_plain(row: Any) -> bool:
    given = (row.args, row.kwargs, row.args_repr, row.kwargs_repr)
    return any(text and not is_marked(text.removeprefix('"')) for text in given)
