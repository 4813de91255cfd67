"""Makes tasks findable: indexes what was submitted, or has changed, since the last round."""

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.redaction.rules import COMMON, Redaction
from services.search_index import BATCH_SIZE, index_waiting
from store.engine import stating
from store.queries import search

# How long an idle system takes to find a new task. A look at the empty queue takes 0.5 ms.
ROUND_SECONDS = 0.25

log = structlog.get_logger(__name__)


class SearchIndexRound:
    """Indexes one batch. Any number of processes may run this; one at a time does the work."""

    def __init__(self, engine: AsyncEngine, *, batch_size: int = BATCH_SIZE, redaction: Redaction = COMMON) -> None:
        self._batch_size = batch_size
        self._engine = engine
        self._redaction = redaction

    async def run_once(self) -> float:
        """Index what waits; at once again if there is more."""
        async with stating(self._engine) as connection:
            if not await search.is_any_waiting(connection):
                return ROUND_SECONDS
        async with self._engine.begin() as connection:
            indexed = await index_waiting(connection, batch_size=self._batch_size, redaction=self._redaction)
        if indexed:
            log.debug("search_indexed", count=indexed)
        return 0 if indexed == self._batch_size else ROUND_SECONDS
