"""Which task names the workers know, so that a mistyped one is refused at the door."""

import asyncio
import difflib
import time
from collections.abc import Collection
from datetime import timedelta

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.queries import workers

KNOWN_WITHIN = timedelta(days=7)
FRESH_SECONDS = 5.0
# A name that is missing is looked for again, but a flood of bad names is no flood of queries.
LOOK_AGAIN_SECONDS = 0.5
SUGGESTIONS = 3
# Of many names at once only so many get suggestions: looking for one takes 0.3 ms for each 100 known names.
MAX_EXPLAINED = 20

log = structlog.get_logger(__name__)


class TaskNames:
    """The names that any worker has reported within a week, kept for a few seconds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: frozenset[str] = frozenset()
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def find_unknown(self, task_names: Collection[str]) -> dict[str, str]:
        """What to say of each of these that no worker knows; nothing while no worker has reported any."""
        await self._load(older_than=FRESH_SECONDS)
        if not self._known.issuperset(task_names):
            await self._load(older_than=LOOK_AGAIN_SECONDS)
        if not self._known:
            return {}
        unknown = sorted(set(task_names) - self._known)
        return {name: self._explain(name, suggest=nth < MAX_EXPLAINED) for nth, name in enumerate(unknown)}

    async def _load(self, *, older_than: float) -> None:
        if time.monotonic() - self._loaded_at < older_than:
            return
        async with self._loading:
            if time.monotonic() - self._loaded_at < older_than:
                return  # another request has just done it
            try:
                async with self._engine.connect() as connection:
                    self._known = frozenset(await workers.list_known_task_names(connection, max_age=KNOWN_WITHIN))
            except (OperationalError, InterfaceError) as error:
                # While Postgres restarts the names of a moment ago will do: the submission itself waits for it.
                log.warning("task_names_not_read", error=type(error).__name__)
                return
            self._loaded_at = time.monotonic()

    def _explain(self, task_name: str, *, suggest: bool) -> str:
        close = difflib.get_close_matches(task_name, sorted(self._known), n=SUGGESTIONS) if suggest else []
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        return f"No worker knows a task named {task_name!r}.{hint}"
