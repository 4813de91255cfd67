"""Noticing that several processes answer to one name."""

from collections.abc import Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from store.queries.workers import shared_names

MOST_NAMED = 20

log = structlog.get_logger(__name__)


async def note_shared_names(engine: AsyncEngine, replies: Mapping[str, int]) -> frozenset[str]:
    """Return the names under which several processes have answered to one question; they are stored with the worker."""
    shared = frozenset(node for node, count in replies.items() if count > 1)
    if shared:
        async with engine.begin() as connection:
            await shared_names.note_shared(connection, shared)
        log.warning("names_shared", nodes=sorted(shared)[:MOST_NAMED])
    return shared
