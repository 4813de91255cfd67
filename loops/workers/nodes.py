"""Asks nodes that have come online what they are: pool, queues, the tasks they know, our plugin."""

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.layout import Layout
from gateway.ports import OrdersNodes
from services.feed import tell_presences
from services.workers.descriptions import note_silence, save_descriptions
from store.engine import stating
from store.queries.workers import descriptions, presences, signs, strangers
from store.queries.workers.consumers import get_consumers

ROUND_SECONDS = 1.0
MAX_AGE = timedelta(seconds=60)
WATCHED_AGE = timedelta(seconds=3)
"""The age of a description at which a watched worker is asked again: a change behind our back is seen this soon."""
MAX_NODES = 100
"""How many nodes are asked in one question: three answers of each are read within 2 s."""

MOST_NAMED = 10
"""How many nodes one line of the log names."""
MOST_STRANGERS = 1_000
"""How many nodes that never answered are kept: a fleet that comes up at once, and no more invented names."""
FORGOTTEN_AT_ONCE = 10_000

log = structlog.get_logger(__name__)


class NodesRound:
    """Looks once for nodes without a fresh description; what they say of the broker is passed on to `layout`.

    A solo pool answers only between its tasks: it is asked again.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        control: OrdersNodes,
        *,
        layout: Layout | None = None,
        enable_events: bool = True,
        most_strangers: int = MOST_STRANGERS,
    ) -> None:
        self._most_strangers = most_strangers
        self._engine = engine
        self._control = control
        self._layout = layout or Layout()
        self._enable_events = enable_events

    async def run_once(self) -> float:
        """Describe what needs it. What never answers is forgotten where there is too much of it."""
        await self._tell_presences()
        async with stating(self._engine) as connection:
            forgotten = await strangers.forget_strangers(
                connection, remaining=self._most_strangers, most=FORGOTTEN_AT_ONCE
            )
        if forgotten:
            log.warning("strangers_forgotten", count=forgotten)
        async with stating(self._engine) as connection:
            nodes = await descriptions.list_undescribed(
                connection, max_age=MAX_AGE, watched_age=WATCHED_AGE, limit=MAX_NODES
            )
        if nodes:
            descriptions_told = await self._control.describe(nodes)
            silent = set(nodes) - descriptions_told.keys()
            async with self._engine.begin() as connection:
                await save_descriptions(connection, descriptions_told.values())
                await note_silence(connection, silent, unreadable=self._control.unreadable(silent))
            log.debug("nodes_described", asked=len(nodes), answered=len(descriptions_told))
        async with stating(self._engine) as connection:
            self._layout.learn(await get_consumers(connection))
        if self._enable_events:
            await self._switch_events_on()
        return ROUND_SECONDS

    async def _tell_presences(self) -> None:
        async with stating(self._engine) as connection:
            is_any_changed = await presences.is_any_changed(connection)
        if is_any_changed:
            async with self._engine.begin() as connection:
                await tell_presences(connection)

    async def _switch_events_on(self) -> None:
        """Once for each process of a node: whoever switches them off again means it."""
        async with stating(self._engine) as connection:
            nodes = await signs.list_unasked_of_events(connection, limit=MAX_NODES)
        if not nodes:
            return
        answers = await self._control.enable_events(nodes)
        async with self._engine.begin() as connection:
            sending = {node: were_on is not None for node, were_on in answers.items()}
            await signs.note_events_asked(connection, nodes, sending=sending)
        if switched := sorted(node for node, were_on in answers.items() if were_on is False):
            log.info("events_switched_on", count=len(switched), nodes=switched[:MOST_NAMED])
