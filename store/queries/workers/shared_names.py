"""Names under which more than one process is heard: another life is a predecessor, or a twin."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workers.status import SILENCE
from store.tables.workers import workers


def has_one_life() -> ColumnElement[bool]:
    """Return the condition that no other process of this name was heard lately: else it may be a twin, no
    predecessor."""
    return func.coalesce(workers.c.other_life_at < func.now() - literal(SILENCE), True)


async def list_shared(connection: AsyncConnection) -> frozenset[str]:
    """Return the names under which more than one process was heard lately."""
    return frozenset((await connection.execute(select(workers.c.node).where(~has_one_life()))).scalars())


async def note_shared(connection: AsyncConnection, nodes: Iterable[str]) -> None:
    """Note that more than one process answers to these names just now (unique index on node)."""
    named = update(workers).where(workers.c.node.in_(sorted(nodes)))
    await connection.execute(named.values(other_life_at=func.now()))
