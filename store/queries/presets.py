"""Filters that clients saved under a name."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.presets import Preset
from store.tables.search import search_presets

_columns = (
    search_presets.c.name,
    search_presets.c.description,
    search_presets.c.filters,
    search_presets.c.created_at,
)


async def add_preset(connection: AsyncConnection, preset: Preset) -> Preset | None:
    """Store a preset; None if the name is taken (primary key)."""
    values = {"name": preset.name, "description": preset.description, "filters": preset.filters}
    added = insert(search_presets).values(values).on_conflict_do_nothing().returning(*_columns)
    row = (await connection.execute(added)).one_or_none()
    return Preset(*row) if row else None


async def get_preset(connection: AsyncConnection, name: str) -> Preset | None:
    """The saved preset of this name (primary key)."""
    row = (await connection.execute(select(*_columns).where(search_presets.c.name == name))).one_or_none()
    return Preset(*row) if row else None


async def list_presets(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[Preset]]:
    """How many presets were saved and one page of them, by name (primary key)."""
    total = (await connection.execute(select(func.count()).select_from(search_presets))).scalar_one()
    page = select(*_columns).order_by(search_presets.c.name).limit(limit).offset(offset)
    return total, [Preset(*row) for row in await connection.execute(page)]


async def delete_preset(connection: AsyncConnection, name: str) -> bool:
    """Whether there was a saved preset of this name to remove (primary key)."""
    removed = delete(search_presets).where(search_presets.c.name == name).returning(search_presets.c.name)
    return (await connection.execute(removed)).first() is not None
