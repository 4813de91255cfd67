"""Audit rows: inserted beside what they tell, listed and exported. What seals need of them is in `audit_seals.py`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, cast, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Author, Change, cut_id
from domain.audit_seals import AuditRow
from domain.filters import EXACT_TOTAL
from store.queries.csv_lines import copy_lines, plain_cell, time_cell
from store.tables.audit import audit


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted: all that is given must hold; None means no condition."""

    actor: str | None = None
    """The id of who did it, with or without the kind: `api_key:k7Qm2ZpX4rT1`."""
    action: str | None = None
    subject: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    after: datetime | None = None
    before: datetime | None = None


COLUMNS = [audit.c[field.name] for field in fields(AuditRow)]
_add = insert(audit)


async def add_row(connection: AsyncConnection, audit_id: UUID, *, author: Author, change: Change) -> None:
    """Insert the row of a change; its time and transaction are those of the connection."""
    before, after = change.differences()
    row = {
        "audit_id": audit_id,
        "actor_kind": author.kind,
        "actor_id": author.id,
        "actor_name": author.name,
        "action": change.action.value,
        "subject_kind": change.action.subject_kind,
        "subject_id": cut_id(change.subject_id),
        "outcome": change.outcome.value,
        "request_id": author.request_id,
        "address": author.address,
        "reason": author.reason,
        "before": before,
        "after": after,
    }
    await connection.execute(_add, row)


async def list_rows(
    connection: AsyncConnection,
    filters: AuditFilter,
    *,
    limit: int,
    offset: int = 0,
    after: tuple[datetime, UUID] | None = None,
) -> list[AuditRow]:
    """Return one page of the rows that match, newest first (index audit_at or audit_subject)."""
    page = _newest_first(select(*COLUMNS), filters)
    if after is not None:
        page = page.where(tuple_(audit.c.at, audit.c.audit_id) < after)
    return [row_of(row) for row in await connection.execute(page.limit(limit).offset(offset))]


async def count_rows(connection: AsyncConnection, filters: AuditFilter) -> tuple[int, bool]:
    """Return how many rows match and whether that is exact; counted up to `EXACT_TOTAL`."""
    some = select(audit.c.at).where(*_conditions(filters)).limit(EXACT_TOTAL + 1).subquery()
    count = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    return min(count, EXACT_TOTAL), count <= EXACT_TOTAL


CELLS: dict[str, ColumnElement[Any]] = {
    "audit_id": audit.c.audit_id,
    "at": time_cell(audit.c.at),
    **{name: plain_cell(audit.c[name]) for name in ("actor_kind", "actor_id", "actor_name")},
    **{name: plain_cell(audit.c[name]) for name in ("action", "subject_kind", "subject_id", "outcome")},
    **{name: plain_cell(audit.c[name]) for name in ("request_id", "address", "reason")},
    "before": cast(audit.c.before, Text),
    "after": cast(audit.c.after, Text),
}
"""The cells of a line, by the names that head the columns. What JSON writes is no formula: it begins with a bracket."""


async def stream_lines(connection: AsyncConnection, filters: AuditFilter, *, seconds: float) -> AsyncGenerator[bytes]:
    """Yield one line of CSV for each row that matches, newest first; see `copy_lines`."""
    statement = _newest_first(select(*CELLS.values()), filters)
    async with aclosing(copy_lines(connection, statement, seconds=seconds)) as lines:
        async for line in lines:
            yield line


def row_of(row: Row[Any]) -> AuditRow:
    """Return a row of `COLUMNS` as the domain knows it."""
    return AuditRow(**row._mapping)


def _newest_first(statement: Select[Any], filters: AuditFilter) -> Select[Any]:
    return statement.where(*_conditions(filters)).order_by(audit.c.at.desc(), audit.c.audit_id.desc())


def _conditions(filters: AuditFilter) -> Sequence[ColumnElement[bool]]:
    equal = {"action": filters.action, "subject_id": filters.subject, "outcome": filters.outcome}
    equal["request_id"] = filters.request_id
    conditions = [audit.c[name] == value for name, value in equal.items() if value is not None]
    if filters.actor is not None:
        conditions.append(_is_actor(filters.actor))
    if filters.after is not None:
        conditions.append(audit.c.at >= filters.after)
    if filters.before is not None:
        conditions.append(audit.c.at < filters.before)
    return conditions


def _is_actor(actor: str) -> ColumnElement[bool]:
    """Whether this is the id, or kind and id."""
    kind, _, actor_id = actor.partition(":")
    return (audit.c.actor_id == actor) | ((audit.c.actor_kind == kind) & (audit.c.actor_id == (actor_id or kind)))
