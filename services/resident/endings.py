"""Waiting for tasks to end without asking again and again.

One task of the process listens for `celeriac_finished`; each wake-up is one query for all the ids that
anybody waits for. No waiter holds a connection.
"""

import asyncio
from collections import defaultdict

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from background import Resident, start_rounds
from store.engine import stating
from store.listener import FINISHED, Listener
from store.queries.tasks import documents

# A notification can be lost while the listener reconnects; then this poll finds the end.
POLL_SECONDS = 1.0
MAX_WAITING = 2_000
"""How many tasks are waited for at a time in one process."""

log = structlog.get_logger(__name__)


class Endings(Resident):
    """`async with Endings(engine, url) as endings: await endings.wait(task_id, timeout)`."""

    def __init__(
        self,
        engine: AsyncEngine,
        database_url: str,
        *,
        poll_seconds: float = POLL_SECONDS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._max_waiting = max_waiting
        self._inner = self._listener = Listener(database_url, FINISHED)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    async def wait(self, task_id: str, timeout_seconds: float) -> bool:
        """Return True once the task has reached an end; False if it has not within this time.

        With `max_waiting` waiting already, only whether it has ended: each wake-up asks for all of them.
        """
        if len(self._waiting) >= self._max_waiting:
            async with stating(self._engine) as connection:
                return bool(await documents.list_finished(connection, [task_id]))
        ended = asyncio.Event()
        self._waiting[task_id].add(ended)
        try:
            # The end may have come before we were in the list.
            await self._look([task_id])
            await asyncio.wait_for(ended.wait(), timeout_seconds)
        except TimeoutError:
            return False
        finally:
            self._forget(task_id, ended)
        return True

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._watch, name="endings")]

    def _forget(self, task_id: str, ended: asyncio.Event) -> None:
        self._waiting[task_id].discard(ended)
        if not self._waiting[task_id]:
            del self._waiting[task_id]

    async def _watch(self) -> None:
        await self._listener.wait(self._poll_seconds)
        if self._waiting:
            try:
                await self._look(list(self._waiting))
            except (SQLAlchemyError, OSError) as error:
                log.warning("endings_not_read", error=type(error).__name__)

    async def _look(self, task_ids: list[str]) -> None:
        async with stating(self._engine) as connection:
            for task_id in await documents.list_finished(connection, task_ids):
                for ended in self._waiting.get(task_id, ()):
                    ended.set()
