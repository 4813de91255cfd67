"""API keys: stored, changed, listed and read by the processes that let people in."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import ApiKey, TurnedAway
from domain.scopes import Scope
from store.listener import API_KEYS
from store.queries import leadership
from store.tables.api_keys import api_keys, turned_away

CHANGES = 0x6B657973
"""The lock of those who change keys: whether one is the last way in is only known while nobody else changes any."""


TURNED_AWAY_KEPT = timedelta(days=1)


async def lock_changes(connection: AsyncConnection) -> datetime:
    """Wait until nobody else changes a key, which nobody else does until the transaction ends; answers the time."""
    return await leadership.wait_for(connection, CHANGES)


async def add_key(connection: AsyncConnection, key: ApiKey) -> None:
    """Store a key, and tell every process of it at the commit (primary key)."""
    await connection.execute(insert(api_keys).values(_values_of(key)))
    await notify(connection)


async def get_key(connection: AsyncConnection, key_id: str) -> ApiKey | None:
    """The key of this id, revoked or not (primary key)."""
    row = (await connection.execute(select(api_keys).where(api_keys.c.key_id == key_id))).one_or_none()
    return _key_of(row) if row else None


async def change_key(connection: AsyncConnection, key_id: str, *, changes: Mapping[str, object]) -> None:
    """Write these columns of a key, and tell every process of it at the commit (primary key)."""
    values = {name: _column(value) for name, value in changes.items()}
    await connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(values))
    await notify(connection)


async def list_keys(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[ApiKey]]:
    """How many keys there ever were and one page of them, the newest first. They are few: no index is needed."""
    total = (await connection.execute(select(func.count()).select_from(api_keys))).scalar_one()
    page = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.key_id).limit(limit).offset(offset)
    return total, [_key_of(row) for row in await connection.execute(page)]


async def list_living_keys(connection: AsyncConnection) -> list[ApiKey]:
    """All keys that nobody has revoked, whether they open now or not. They are few: no index is needed."""
    living = select(api_keys).where(api_keys.c.revoked_at.is_(None))
    return [_key_of(row) for row in await connection.execute(living)]


async def was_closed(connection: AsyncConnection) -> bool:
    """Whether there ever was a key, revoked ones included: rows stay."""
    return (await connection.execute(select(api_keys.c.key_id).limit(1))).first() is not None


async def note_uses(connection: AsyncConnection, uses: Collection[tuple[str, datetime, str]]) -> None:
    """Write when keys were last used, and from where (primary key). No process is told: nothing depends on it.

    The uses are by the clocks of the processes, which may be behind that of Postgres: none is before the key was made.
    """
    at = func.greatest(bindparam("at"), api_keys.c.created_at)
    noted = (
        update(api_keys)
        .where(api_keys.c.key_id == bindparam("used"))
        .where(func.coalesce(api_keys.c.last_used_at, text("'-infinity'")) < at)
        .values(last_used_at=at, last_used_from=bindparam("source"))
    )
    rows = [{"used": key_id, "at": at, "source": source} for key_id, at, source in sorted(uses)]
    await connection.execute(noted, rows)


async def note_turned_away(connection: AsyncConnection, counts: Collection[TurnedAway]) -> None:
    """Add these counts to their minutes, in order, and remove those that are older than a day (primary key)."""
    added = insert(turned_away)
    is_later = added.excluded.latest_at >= turned_away.c.latest_at
    added = added.on_conflict_do_update(
        index_elements=["minute"],
        set_={
            "count": turned_away.c.count + added.excluded.count,
            "latest_at": func.greatest(turned_away.c.latest_at, added.excluded.latest_at),
            "latest_from": case((is_later, added.excluded.latest_from), else_=turned_away.c.latest_from),
        },
    )
    await connection.execute(delete(turned_away).where(turned_away.c.minute < func.now() - TURNED_AWAY_KEPT))
    await connection.execute(added, [asdict(one) for one in counts])


async def read_turned_away(connection: AsyncConnection, *, since: timedelta) -> tuple[int, datetime | None, str | None]:
    """How many requests were refused for want of a valid key, when the latest was, and from where (primary key)."""
    latest = turned_away.c.latest_at.desc()
    found = select(
        func.coalesce(func.sum(turned_away.c.count), 0),
        func.max(turned_away.c.latest_at),
        func.array_agg(aggregate_order_by(turned_away.c.latest_from, latest))[1],
    ).where(turned_away.c.minute > func.now() - since)
    number, at, source = (await connection.execute(found)).one()
    return int(number), at, source


async def notify(connection: AsyncConnection) -> None:
    """Tell every process at the commit that somebody may no longer, or now, be let in."""
    await connection.execute(text(f"NOTIFY {API_KEYS}"))


def _values_of(key: ApiKey) -> dict[str, object]:
    return {column.name: _column(getattr(key, column.name)) for column in api_keys.columns}


def _column(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _key_of(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)
    values["scopes"] = frozenset(Scope(scope) for scope in values["scopes"] if scope in set(Scope))
    for name in ("queues", "task_names", "networks"):
        values[name] = tuple(values[name])
    return ApiKey(**values)
