"""The chain of seals, and the rows that are sealed: read in the order of their transactions."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    Uuid,
    and_,
    any_,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import Tuple

from domain.audit_seals import AuditRow, Expired, Position, Seal, SealKind
from store.queries.audit import COLUMNS, row_of
from store.tables.audit import Xid8, audit, audit_seals

_place = tuple_(audit.c.xact, audit.c.audit_id)
_horizon = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric, clock_timestamp()")


async def read_horizon(connection: AsyncConnection) -> tuple[Position, datetime]:
    """Return the place below which no row will ever be added, and the time.

    Every transaction below has ended. So a statement behind this one sees all rows that there will ever be below it.
    """
    oldest_running, now = (await connection.execute(_horizon)).one()
    return Position(int(oldest_running), UUID(int=0)), now


async def list_stretch(
    connection: AsyncConnection,
    begins: Position,
    *,
    ends: Position,
    limit: int,
    among: Sequence[UUID] | None = None,
) -> list[AuditRow]:
    """Return the first rows of this stretch, in order, or only those `among` these ids (primary key)."""
    rows = select(*COLUMNS).where(_place >= _tuple(begins), _place < _tuple(ends))
    if among is not None:
        rows = rows.where(audit.c.audit_id == any_(literal(list(among), ARRAY(Uuid))))
    in_order = rows.order_by(audit.c.xact, audit.c.audit_id).limit(limit)
    return [row_of(row) for row in await connection.execute(in_order)]


async def count_from(connection: AsyncConnection, begins: Position, *, most: int) -> int:
    """Return how many rows are not sealed yet, counted up to `most` (primary key)."""
    some = select(audit.c.xact).where(_place >= _tuple(begins)).limit(most).subquery()
    return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())


async def get_last_seal(connection: AsyncConnection) -> Seal | None:
    """Return the newest seal; None where nothing was sealed yet (primary key)."""
    newest = select(audit_seals).order_by(audit_seals.c.seal_no.desc()).limit(1)
    row = (await connection.execute(newest)).one_or_none()
    return _seal_of(row) if row else None


_newest = select(audit_seals.c.ends_xact, audit_seals.c.ends_id).order_by(audit_seals.c.seal_no.desc()).limit(1)
any_unsealed = or_(
    exists().where(_place >= _newest.scalar_subquery()),
    and_(~exists().select_from(audit_seals), exists().select_from(audit)),
)
"""Whether there is a row that no seal lists yet (primary keys)."""


async def list_seals(connection: AsyncConnection, *, after: int, limit: int) -> list[Seal]:
    """Return the first seals behind this number, in order (primary key)."""
    page = select(audit_seals).where(audit_seals.c.seal_no > after).order_by(audit_seals.c.seal_no).limit(limit)
    return [_seal_of(row) for row in await connection.execute(page)]


async def list_expired(connection: AsyncConnection, *, limit: int) -> list[Seal]:
    """Return the newest seals that say that rows have gone. There is hardly one a day: no index is needed."""
    gone = select(audit_seals).where(audit_seals.c.kind == SealKind.EXPIRED.value)
    page = gone.order_by(audit_seals.c.seal_no.desc()).limit(limit)
    return [_seal_of(row) for row in await connection.execute(page)]


async def was_restarted(connection: AsyncConnection) -> bool:
    """Tell whether transactions were ever numbered anew. Looks at all seals, which takes 50 ms for 100,000."""
    restarts = select(audit_seals.c.seal_no).where(audit_seals.c.kind == SealKind.RESTARTED.value).limit(1)
    return (await connection.execute(restarts)).first() is not None


async def find_stray(connection: AsyncConnection, last: Seal) -> UUID | None:
    """Return a row that no seal lists, though its place was sealed or will never come; None if there is none.

    Reads all ids of both tables: asked only where stretches lie above each other, because they began again.
    """
    listed = select(func.unnest(audit_seals.c.row_ids).label("audit_id")).subquery()
    never = audit.c.xact >= literal_column("pg_snapshot_xmax(pg_current_snapshot())")
    strays = (
        select(audit.c.audit_id)
        .where(or_(_place < _tuple(last.ends), never))
        .where(~exists().where(listed.c.audit_id == audit.c.audit_id))
        .order_by(audit.c.xact, audit.c.audit_id)
        .limit(1)
    )
    return (await connection.execute(strays)).scalar_one_or_none()


async def add_seal(connection: AsyncConnection, seal: Seal) -> None:
    """Store a seal; fails where another one has its number or its predecessor (primary key)."""
    await connection.execute(insert(audit_seals).values(_values_of(seal)))


async def list_old_seals(connection: AsyncConnection, *, kept_for: timedelta, limit: int) -> list[Seal]:
    """Return the first seals, in order, if they were made longer ago; rows are older than their seal (primary key)."""
    first_kept = (
        select(audit_seals.c.seal_no)
        .where(audit_seals.c.at >= func.now() - kept_for)
        .order_by(audit_seals.c.seal_no)
        .limit(1)
        .scalar_subquery()
    )
    old = select(audit_seals).where(or_(first_kept.is_(None), audit_seals.c.seal_no < first_kept))
    return [_seal_of(row) for row in await connection.execute(old.order_by(audit_seals.c.seal_no).limit(limit))]


async def delete_seals(connection: AsyncConnection, seals: Sequence[Seal]) -> int:
    """Delete these first seals and the rows that they list; returns how many rows (both primary keys)."""
    listed = [audit_id for seal in seals for audit_id in seal.row_ids]
    below = literal(max(seal.ends.xact for seal in seals), Xid8)
    gone = await connection.execute(
        delete(audit).where(audit.c.xact <= below, audit.c.audit_id == any_(literal(listed, ARRAY(Uuid))))
    )
    await connection.execute(delete(audit_seals).where(audit_seals.c.seal_no <= seals[-1].seal_no))
    return gone.rowcount


def _tuple(place: Position) -> Tuple:
    return tuple_(literal(place.xact, Xid8), literal(place.audit_id, Uuid))


_PLAIN = [field.name for field in fields(Seal) if field.name not in ("kind", "begins", "ends", "row_ids", "expired")]


def _values_of(seal: Seal) -> dict[str, object]:
    expired = seal.expired
    return {name: getattr(seal, name) for name in _PLAIN} | {
        "kind": seal.kind.value,
        "begins_xact": seal.begins.xact,
        "begins_id": seal.begins.audit_id,
        "ends_xact": seal.ends.xact,
        "ends_id": seal.ends.audit_id,
        "row_ids": list(seal.row_ids),
        "expired_seal_no": expired and expired.seal_no,
        "expired_hash": expired and expired.seal_hash,
        "expired_rows": expired and expired.rows,
    }


def _seal_of(row: Row[Any]) -> Seal:
    values = row._mapping
    plain = {name: values[name] for name in _PLAIN}
    expired_no = values["expired_seal_no"]
    return Seal(
        **plain,
        kind=SealKind(values["kind"]),
        begins=Position(values["begins_xact"], values["begins_id"]),
        ends=Position(values["ends_xact"], values["ends_id"]),
        row_ids=tuple(values["row_ids"]),
        expired=None if expired_no is None else Expired(expired_no, values["expired_hash"], values["expired_rows"]),
    )
