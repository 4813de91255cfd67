"""Which task names the workers know, so that a mistyped one is refused at the door."""

import asyncio
import difflib
import time
from bisect import bisect
from collections.abc import Collection, Sequence
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
MAX_KNOWN = 100_000
# Of many names at once only so many get suggestions, and each is held against so many: two names that are alike and as
# long as may be take 1 ms.
MAX_EXPLAINED = 20
NEIGHBOURS = 25

log = structlog.get_logger(__name__)


class TaskNames:
    """The names that any worker has reported within a week, kept for a few seconds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: frozenset[str] = frozenset()
        self._sorted: list[str] = []
        self._sorted_backwards: list[str] = []
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
        # More names than are read may be known: then nothing can be said of one that is missing.
        if not unknown or len(self._known) >= MAX_KNOWN:
            return {}
        return await asyncio.to_thread(self._explain_all, unknown)

    async def _load(self, *, older_than: float) -> None:
        if time.monotonic() - self._loaded_at < older_than:
            return
        async with self._loading:
            if time.monotonic() - self._loaded_at < older_than:
                return  # another request has just done it
            try:
                async with self._engine.connect() as connection:
                    names = await workers.list_known_task_names(connection, max_age=KNOWN_WITHIN, limit=MAX_KNOWN)
                    if self._known != (known := frozenset(names)):
                        self._known = known
                        self._sorted, self._sorted_backwards = await asyncio.to_thread(_sort_both_ways, names)
            except (OperationalError, InterfaceError) as error:
                # While Postgres restarts the names of a moment ago will do: the submission itself waits for it.
                log.warning("task_names_not_read", error=type(error).__name__)
                return
            self._loaded_at = time.monotonic()

    def _explain_all(self, unknown: Sequence[str]) -> dict[str, str]:
        return {name: self._explain(name, suggest=nth < MAX_EXPLAINED) for nth, name in enumerate(unknown)}

    def _explain(self, task_name: str, *, suggest: bool) -> str:
        close = difflib.get_close_matches(task_name, self._neighbours(task_name), n=SUGGESTIONS) if suggest else []
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        return f"No worker knows a task named {task_name!r}.{hint}"

    def _neighbours(self, task_name: str) -> list[str]:
        """The known names around it, read from the front and from the back: a slip leaves one of both ends whole."""
        backwards = (name[::-1] for name in _around(self._sorted_backwards, task_name[::-1]))
        return sorted({*_around(self._sorted, task_name), *backwards})


def _sort_both_ways(names: Sequence[str]) -> tuple[list[str], list[str]]:
    return sorted(names), sorted(name[::-1] for name in names)


def _around(names: Sequence[str], name: str) -> Sequence[str]:
    at = bisect(names, name)
    return names[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
