"""One batch of messages into Postgres: decode, fetch the true results, fold and commit."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.redaction.rules import COMMON, Redaction
from domain.results import StoredResult, ToldResult
from domain.workers.status import Heartbeat, newest
from gateway.events.sources import Blind, EventMessage
from gateway.ports import ReadsResults
from mirror.decode import Decoded, decode, split
from services.record import Follows, News, record
from services.redaction import mask_errors
from services.workflows.following import go_on
from store.queries import gaps
from store.queries.workers import nodes, signs
from store.queries.workflows.steps import follow_tasks

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits between tries of a batch; the last one repeats until Postgres is back. Meanwhile nothing is read."""
RESULT_TIMEOUT_SECONDS = 1.0
SEEN_SECONDS = 5.0
MOST_NODES = 10_000
TELL_SECONDS = 10.0
"""Time between two log lines about skipped events: whoever sends one bad message may send a million."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the events of a batch."""

    applied: int = 0
    refused: int = 0
    """How many events were skipped: not understood, or of a kind that Postgres refuses for good."""

    def __add__(self, other: "Written") -> "Written":
        return Written(self.applied + other.applied, self.refused + other.refused)


class Writer:
    """Writes batches in order; returns from `write` only when the batch is committed."""

    def __init__(
        self,
        engine: AsyncEngine,
        results: ReadsResults,
        *,
        forgets_after: timedelta | None = None,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        result_timeout_seconds: float = RESULT_TIMEOUT_SECONDS,
        redaction: Redaction = COMMON,
    ) -> None:
        """Prepare to write; news of unknown tasks older than `forgets_after` makes none: it would bring back deleted
        ones.
        """
        self._retry_seconds = retry_seconds
        self._result_timeout_seconds = result_timeout_seconds
        self._engine = engine
        self._results = results
        self._forgets_after = forgets_after
        self._redaction = redaction
        self._skipped = _Skipped()
        self._seen_at: dict[str, float] = {}

    async def write(self, messages: Sequence[EventMessage]) -> Written:
        """Store what these messages say. Tries until Postgres takes it; what it refuses for good is skipped.

        Counts events, not messages: a busy worker sends several in one.
        """
        written = await self._write(messages)
        self._skipped.note(written.refused)
        return written

    async def _write(self, messages: Sequence[EventMessage]) -> Written:
        decoded = decode(messages)
        if decoded.reason:
            self._skipped.why(decoded.reason)
        begins_at = datetime.now(UTC) - self._forgets_after if self._forgets_after else None
        stored = await self._fetch_results(decoded)
        results = [_with_text(result, decoded) for result in stored.values() if result.status is not None]
        news = News(decoded.facts, decoded.identities, results, _told_results(stored, decoded), begins_at)
        store = partial(_store, news=news, heartbeats=decoded.heartbeats, redaction=self._redaction)
        try:
            await self._commit_going_on(store)
            await self._note_seen(decoded.seen)
        except Exception as error:  # another try would not mend it, see `_commit`
            return await self._write_apart(messages, error)
        return Written(len(decoded.facts) + len(decoded.heartbeats), decoded.refused)

    async def note_blindness(self, blind: Blind) -> None:
        """Store that something may not have been heard, reaching back to when a mirror last listened."""
        await self._commit(partial(_store_gap, blind=blind))

    async def _note_seen(self, seen: Mapping[str, datetime]) -> None:
        """Whoever tells of a task is there; noted every few seconds, apart from what locks tasks."""
        now = time.monotonic()
        if len(self._seen_at) + len(seen) > MOST_NODES:
            self._seen_at.clear()
        due = {node: at for node, at in seen.items() if now - self._seen_at.get(node, -SEEN_SECONDS) >= SEEN_SECONDS}
        if due:
            await self._commit(partial(signs.see, seen=due, tells_of_tasks=True))
            self._seen_at |= dict.fromkeys(due, now)

    async def _commit_going_on(self, store: Callable[..., Awaitable[None]]) -> None:
        """Commit, and take workflows further: that is tried once. Then they wait for the loops: events must not."""
        try:
            async with self._engine.begin() as connection:
                await store(connection, follow=go_on)
        except Exception as error:
            await self._commit(partial(store, follow=follow_tasks))
            # Only now is it known that this is what failed, and no event, of which many may be bad.
            log.warning("workflows_left_to_loops", error=type(error).__name__)

    async def _commit(self, store: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """One transaction; tried until Postgres takes it. Raises only what another try cannot mend."""
        for wait in chain(self._retry_seconds, repeat(self._retry_seconds[-1])):
            try:
                async with self._engine.begin() as connection:
                    await store(connection)
            except Exception as error:
                if _is_refused(error):
                    raise
                log.warning("batch_not_written", error=type(error).__name__, again_in=wait)
                await asyncio.sleep(wait)
            else:
                return

    async def _write_apart(self, messages: Sequence[EventMessage], error: Exception) -> Written:
        """Something in the batch cannot be stored: find out what, by halves, and store the rest."""
        if len(messages) == 1:
            messages = split(messages[0])
        if len(messages) == 1:
            # Only the kind of the error: its text may hold task arguments.
            self._skipped.why(type(error).__name__)
            return Written(refused=1)
        middle = len(messages) // 2
        return await self._write(messages[:middle]) + await self._write(messages[middle:])

    async def _fetch_results(self, decoded: Decoded) -> Mapping[str, StoredResult]:
        """True results of the tasks that ended; without them the rows say `result_pending` and the sweep asks again."""
        if not decoded.ended:
            return {}
        try:
            return await asyncio.wait_for(self._results.fetch(decoded.ended), self._result_timeout_seconds)
        except Exception as error:  # away, silent, or holding what nobody can read: never a reason to store no events
            log.warning("results_not_fetched", count=len(decoded.ended), error=type(error).__name__)
            return {}


def _with_text(result: StoredResult, decoded: Decoded) -> StoredResult:
    """Return the result; one that cannot be read, with what the event told of it."""
    return replace(result, result_repr=decoded.told_results.get(result.task_id)) if result.unreadable else result


def _told_results(stored: Mapping[str, StoredResult], decoded: Decoded) -> list[ToldResult]:
    """What events told of results of which the backend told no more, not even how the task ended."""
    return [
        ToldResult(task_id, text, stored[task_id].unreadable if task_id in stored else None)
        for task_id, text in decoded.told_results.items()
        if task_id not in stored or stored[task_id].status is None
    ]


async def _store(
    connection: AsyncConnection, *, news: News, heartbeats: Sequence[Heartbeat], redaction: Redaction, follow: Follows
) -> None:
    await record(connection, await mask_errors(connection, news, redaction=redaction), follow=follow)
    if heartbeats:
        await nodes.hear(connection, newest(heartbeats).values())


async def _store_gap(connection: AsyncConnection, *, blind: Blind) -> None:
    last_heard = await gaps.get_last_heard_at(connection, streamed=blind.streamed)
    if last_heard is not None:
        begun = min(last_heard, blind.started_at)
        source = "stream" if blind.streamed else "broker"
        await gaps.add_gap(connection, source=source, started_at=begun, ended_at=blind.ended_at)


def _is_refused(error: Exception) -> bool:
    """Whether trying again cannot help: the data are at fault, not the connection, the schema or a deadlock."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, DBAPIError):
        # A program limit, such as a value too long for an index; 40P01 and 40001 (deadlock) deserve another try.
        return (getattr(error.orig, "sqlstate", None) or "").startswith("54")
    if isinstance(error, StatementError):
        return True  # a value that the driver cannot even write, such as text that is no UTF-8
    return not isinstance(error, SQLAlchemyError | OSError)


class _Skipped:
    """Counts what is skipped, and says so at most every 10 s."""

    def __init__(self) -> None:
        self._count = 0
        self._reason: str | None = None
        self._told_at = -TELL_SECONDS

    def note(self, count: int) -> None:
        """Count more that were skipped; called for every batch, so that the last ones are told as well."""
        self._count += count
        if not self._count or time.monotonic() - self._told_at < TELL_SECONDS:
            return
        log.warning("events_not_understood", count=self._count, refused_because=self._reason)
        self._count, self._reason, self._told_at = 0, None, time.monotonic()

    def why(self, reason: str) -> None:
        """Why one of them could not be understood or stored."""
        self._reason = reason
