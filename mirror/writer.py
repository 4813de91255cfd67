"""One batch of messages into Postgres: decode, fetch the true results, fold and commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from typing import Protocol

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import Unavailable
from domain.results import StoredResult
from domain.workers import Heartbeat, newest
from gateway.event_sources import Blind, EventMessage
from mirror.decode import Decoded, decode
from services.history import News, record
from store.queries import gaps, workers

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits between tries of a batch; the last one repeats until Postgres is back. Meanwhile intake stands still."""
RESULT_TIMEOUT_SECONDS = 1.0

log = structlog.get_logger(__name__)


class ReadsResults(Protocol):
    """The part of `gateway.results.ResultReader` that this needs."""

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]: ...


class Writer:
    """Writes batches in order; returns from `write` only when the batch is committed."""

    def __init__(self, engine: AsyncEngine, results: ReadsResults, *, forgets_after: timedelta | None = None) -> None:
        """`forgets_after`: older news of tasks that are not known makes none; it would bring back deleted ones."""
        self._engine = engine
        self._results = results
        self._forgets_after = forgets_after

    async def write(self, messages: Sequence[EventMessage]) -> int:
        """Store what these messages say. Tries until Postgres takes it; what it refuses for good is logged.

        Returns how many events they held: a busy worker sends several in one message.
        """
        decoded = decode(messages)
        if decoded.refused:
            log.warning("events_not_understood", count=decoded.refused)
        begins_at = datetime.now(UTC) - self._forgets_after if self._forgets_after else None
        news = News(decoded.facts, decoded.identities, await self._fetch_results(decoded), begins_at)
        try:
            await self._commit(partial(_store, news=news, heartbeats=decoded.heartbeats))
        except DBAPIError as error:
            await self._write_singly(messages, error)
        return len(decoded.facts) + len(decoded.heartbeats)

    async def note_blindness(self, blind: Blind) -> None:
        """Store that something may not have been heard, reaching back to when a mirror last listened."""
        await self._commit(partial(_store_gap, blind=blind))

    async def _commit(self, store: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """One transaction; tried until Postgres takes it. Raises only what another try cannot mend."""
        for wait in chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1])):
            try:
                async with self._engine.begin() as connection:
                    await store(connection)
            except (SQLAlchemyError, OSError) as error:
                if _is_refused(error):
                    raise
                log.warning("batch_not_written", error=type(error).__name__, again_in=wait)
                await asyncio.sleep(wait)
            else:
                return

    async def _write_singly(self, messages: Sequence[EventMessage], error: Exception) -> None:
        """Postgres refuses something in the batch: find out what, store the rest."""
        if len(messages) == 1:
            log.error("event_refused", error=str(error).splitlines()[0])
            return
        for message in messages:
            await self.write([message])

    async def _fetch_results(self, decoded: Decoded) -> list[StoredResult]:
        """True results of the tasks that ended; without them the rows say `result_pending` and the sweep asks again."""
        if not decoded.ended:
            return []
        try:
            found = await asyncio.wait_for(self._results.fetch(decoded.ended), RESULT_TIMEOUT_SECONDS)
        except (Unavailable, TimeoutError) as error:
            log.warning("results_not_fetched", count=len(decoded.ended), error=type(error).__name__)
            return []
        return [result for result in found.values() if result.status is not None]


async def _store(connection: AsyncConnection, *, news: News, heartbeats: Sequence[Heartbeat]) -> None:
    await record(connection, news)
    if heartbeats:
        await workers.hear(connection, newest(heartbeats).values())


async def _store_gap(connection: AsyncConnection, *, blind: Blind) -> None:
    last_heard = await gaps.get_last_sign_of_life(connection, kept=blind.kept)
    if last_heard is not None:
        begun = min(last_heard, blind.started_at)
        source = "stream" if blind.kept else "broker"
        await gaps.add_gap(connection, source=source, started_at=begun, ended_at=blind.ended_at)


def _is_refused(error: Exception) -> bool:
    """Whether trying again cannot help: the data are at fault, not the connection or a deadlock."""
    if isinstance(error, DataError | IntegrityError):
        return True
    # A program limit, such as a value too long for an index; 40P01 and 40001 (deadlock) deserve another try.
    code = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return (code or "").startswith("54")
