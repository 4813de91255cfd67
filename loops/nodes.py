"""Asks nodes that have come online what they are: pool, queues, the tasks they know, our plugin."""

from collections.abc import Collection
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control import NodeDescription
from gateway.layout import Layout
from services.nodes import save_descriptions
from store.queries import strangers, workers
from store.queries.consumers import get_consumers

ROUND_SECONDS = 1.0
MAX_AGE = timedelta(seconds=60)
WATCHED_AGE = timedelta(seconds=3)
"""Of workers of which something is wanted: a change behind our back is seen this soon."""
MAX_NODES = 100
"""In one question: three answers of each are read within 2 s."""

MOST_STRANGERS = 1_000
"""Nodes that never answered, kept: a fleet that comes up all at once, and no more than that of invented names."""
FORGOTTEN_AT_ONCE = 10_000

log = structlog.get_logger(__name__)


class Describes(Protocol):
    """The part of `gateway.control.Control` that this needs."""

    async def describe(self, nodes: Collection[str]) -> dict[str, NodeDescription]: ...


class NodesRound:
    """One look for nodes without a fresh description; what they say of the broker is passed on to `layout`.

    A solo pool answers only between its tasks: it is asked again."""

    def __init__(self, engine: AsyncEngine, control: Describes, layout: Layout | None = None) -> None:
        self._engine = engine
        self._control = control
        self._layout = layout or Layout()

    async def run_once(self) -> float:
        """Describe what needs it. What never answers is forgotten where there is too much of it."""
        async with self._engine.begin() as connection:
            forgotten = await strangers.forget_strangers(connection, kept=MOST_STRANGERS, most=FORGOTTEN_AT_ONCE)
        if forgotten:
            log.warning("strangers_forgotten", count=forgotten)
        async with self._engine.connect() as connection:
            nodes = await workers.list_undescribed(
                connection, max_age=MAX_AGE, watched_age=WATCHED_AGE, limit=MAX_NODES
            )
        if nodes:
            found = await self._control.describe(nodes)
            async with self._engine.begin() as connection:
                await save_descriptions(connection, found.values())
            log.debug("nodes_described", asked=len(nodes), answered=len(found))
        async with self._engine.connect() as connection:
            self._layout.learn(await get_consumers(connection))
        return ROUND_SECONDS
