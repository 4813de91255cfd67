"""Which task names the workers know, so that a mistyped one is refused at the door."""

import asyncio
import difflib
import time
from bisect import bisect
from collections.abc import Collection, Sequence

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.sight import UNLIMITED, Limits
from domain.workers.status import KNOWN_WITHIN
from store.engine import stating
from store.queries.tasks import names as names_told

FRESH_SECONDS = 5.0
# A name that is missing is looked for again, but a flood of bad names is no flood of queries.
LOOK_AGAIN_SECONDS = 0.5
SUGGESTIONS = 3
MAX_KNOWN = 100_000
# Of many names at once only so many get suggestions, and each is held against so many: two names that are alike and as
# long as may be take 1 ms.
MAX_EXPLAINED = 20
MAX_LOOKED_FOR = 500
"""How many names at once are looked for among the tasks that were heard."""
SWITCH = "CELERIAC_CHECK_TASK_NAMES=false lets any name through."
NEIGHBOURS = 25

log = structlog.get_logger(__name__)


class TaskNames:
    """The names that any worker has reported within a week, kept for a few seconds."""

    def __init__(
        self, engine: AsyncEngine, *, look_again_seconds: float = LOOK_AGAIN_SECONDS, max_known: int = MAX_KNOWN
    ) -> None:
        self._engine = engine
        self._look_again_seconds = look_again_seconds
        self._max_known = max_known
        self._known: frozenset[str] = frozenset()
        self._all_told = False
        self._sorted: list[str] = []
        self._sorted_backwards: list[str] = []
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def find_unknown(self, task_names: Collection[str], *, limits: Limits = UNLIMITED) -> dict[str, str]:
        """Return what to say of each of these that no worker knows; nothing while no worker has reported any.

        No name is suggested that lies outside the limits.
        """
        await self._load(older_than=FRESH_SECONDS)
        if not self._known.issuperset(task_names):
            await self._load(older_than=self._look_again_seconds)
        if not self._known:
            return {}
        unknown = set(task_names) - self._known
        # More names than are read may be known: then nothing can be said of one that is missing. The same holds while
        # a worker is online that has not said what it knows: it may be one that cannot be asked.
        if not unknown or len(self._known) >= self._max_known or not self._all_told:
            return {}
        unknown -= await self._heard_of(unknown)
        return await asyncio.to_thread(self._explain_all, sorted(unknown), limits) if unknown else {}

    async def _heard_of(self, unknown: Collection[str]) -> set[str]:
        """Return the names under which tasks were heard to run. Beyond a bound none is looked for: it counts as
        unknown.
        """
        asked = sorted(unknown)[:MAX_LOOKED_FOR]
        try:
            async with stating(self._engine) as connection:
                return await names_told.list_heard_task_names(connection, asked, max_age=KNOWN_WITHIN)
        except (OperationalError, InterfaceError) as error:
            log.warning("task_names_not_read", error=type(error).__name__)
            return set(unknown)

    async def _load(self, *, older_than: float) -> None:
        if time.monotonic() - self._loaded_at < older_than:
            return
        async with self._loading:
            if time.monotonic() - self._loaded_at < older_than:
                return  # another request has just done it
            try:
                async with stating(self._engine) as connection:
                    names = await names_told.list_known_task_names(
                        connection, max_age=KNOWN_WITHIN, limit=self._max_known
                    )
                    self._all_told = await names_told.have_all_told(connection)
                    if self._known != (loaded := frozenset(names)):
                        self._known = loaded
                        self._sorted, self._sorted_backwards = await asyncio.to_thread(_sort_both_ways, names)
            except (OperationalError, InterfaceError) as error:
                # While Postgres restarts the names of a moment ago will do: the submission itself waits for it.
                log.warning("task_names_not_read", error=type(error).__name__)
                return
            self._loaded_at = time.monotonic()

    def _explain_all(self, unknown: Sequence[str], limits: Limits) -> dict[str, str]:
        near = {name: self._neighbours(name) for name in unknown[:MAX_EXPLAINED]}
        return {
            name: _explain(name, [other for other in near.get(name, ()) if limits.may_name(other)]) for name in unknown
        }

    def _neighbours(self, task_name: str) -> list[str]:
        """The known names around it, read from the front and from the back: a slip leaves one of both ends whole."""
        backwards = (name[::-1] for name in _around(self._sorted_backwards, task_name[::-1]))
        return sorted({*_around(self._sorted, task_name), *backwards})


def _explain(task_name: str, near: Sequence[str]) -> str:
    close = difflib.get_close_matches(task_name, near, n=SUGGESTIONS)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return f"No worker knows a task named {task_name!r}.{hint} {SWITCH}"


def _sort_both_ways(names: Sequence[str]) -> tuple[list[str], list[str]]:
    return sorted(names), sorted(name[::-1] for name in names)


def _around(names: Sequence[str], name: str) -> Sequence[str]:
    at = bisect(names, name)
    return names[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
