"""Sessions: stored, listed, ended, and read by the processes that let people in. They are few: no index is needed."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.principals import PrincipalKind
from domain.sessions import Owner, Session
from store.queries import leadership
from store.queries.api_keys import notify
from store.tables.sessions import sessions

CHANGES = 0x73657373
"""The lock of those who add sessions, so that there are never more than there may be."""


async def lock_additions(connection: AsyncConnection) -> datetime:
    """Wait until nobody else adds a session, which nobody else does until the transaction ends; answers the time."""
    return await leadership.wait_for(connection, CHANGES)


async def add_session(connection: AsyncConnection, session: Session) -> None:
    """Store a session. Nobody is told: a process reads it when it is shown (primary key)."""
    await connection.execute(insert(sessions).values(_values_of(session)))


async def count_sessions(connection: AsyncConnection) -> int:
    """How many there are, those that are over included."""
    return int((await connection.execute(select(func.count()).select_from(sessions))).scalar_one())


async def list_sessions(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[Session]]:
    """How many there are and one page of them, the newest first."""
    page = select(sessions).order_by(sessions.c.created_at.desc(), sessions.c.session_id).limit(limit).offset(offset)
    return await count_sessions(connection), [_session_of(row) for row in await connection.execute(page)]


async def read_sessions(connection: AsyncConnection, session_ids: Collection[str]) -> list[Session]:
    """The sessions of these ids, as far as there are any (primary key)."""
    wanted = select(sessions).where(sessions.c.session_id.in_(session_ids))
    return [_session_of(row) for row in await connection.execute(wanted)]


async def list_ids_of(connection: AsyncConnection, label: str) -> Sequence[str]:
    """The ids of the sessions of one owner, the one that was seen last first."""
    own = select(sessions.c.session_id).where(sessions.c.owner == label)
    return (
        (await connection.execute(own.order_by(sessions.c.seen_at.desc(), sessions.c.created_at.desc())))
        .scalars()
        .all()
    )


async def end_sessions(connection: AsyncConnection, session_ids: Collection[str]) -> int:
    """Remove these, and tell every process at the commit; answers how many there were (primary key)."""
    ended = await connection.execute(delete(sessions).where(sessions.c.session_id.in_(session_ids)))
    await notify(connection)
    return ended.rowcount


async def end_sessions_of(connection: AsyncConnection, label: str) -> None:
    """Remove all sessions of one owner. Whoever ends what they were made from tells every process."""
    await connection.execute(delete(sessions).where(sessions.c.owner == label))


async def remove_over(connection: AsyncConnection, *, idle: timedelta) -> int:
    """Remove what has lasted too long, or was not used for so long; answers how many."""
    over = or_(sessions.c.expires_at <= func.now(), sessions.c.seen_at <= func.now() - idle)
    return (await connection.execute(delete(sessions).where(over))).rowcount


async def note_uses(connection: AsyncConnection, uses: Collection[tuple[str, datetime]]) -> None:
    """Write when sessions were last used (primary key)."""
    noted = (
        update(sessions)
        .where(sessions.c.session_id == bindparam("used"))
        .where(sessions.c.seen_at < bindparam("at"))
        .values(seen_at=bindparam("at"))
    )
    await connection.execute(noted, [{"used": session_id, "at": at} for session_id, at in sorted(uses)])


_SAME = ("session_id", "session_hash", "created_at", "seen_at", "expires_at", "user_agent", "address")


def _values_of(session: Session) -> dict[str, object]:
    owner = session.owner
    known = {
        "kind": str(owner.kind),
        "id": owner.id,
        "name": owner.name,
        "issuer": owner.issuer,
        "values": list(owner.values),
        "proof": owner.proof.hex() if owner.proof else None,
    }
    return {name: getattr(session, name) for name in _SAME} | {"owner": owner.label, "principal": known}


def _session_of(row: Row[Any]) -> Session:
    known = row.principal
    owner = Owner(
        kind=PrincipalKind(known["kind"]),
        id=known["id"],
        name=known["name"],
        issuer=known["issuer"],
        values=tuple(known["values"]),
        proof=bytes.fromhex(known["proof"]) if known["proof"] else None,
    )
    return Session(owner=owner, **{name: getattr(row, name) for name in _SAME})
