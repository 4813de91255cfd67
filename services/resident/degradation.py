"""Degradation marks, kept in Redis for all processes; each process has a copy.

A copy is used for half a second after it was read, and whoever sets a mark waits for so long: then every process knows
of it, and nobody need be asked. What a copy costs is a question every 0.4 s while somebody uses it, and one more for
the first who does so after a rest; else using it costs nothing.

While Redis does not answer, nothing is known to be marked, and one log line says so: marks never stop the work of a
system whose Redis is down.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.audit import Author
from domain.degradation import NO_MARKS, Mark, Marks, Signature, Strategy, in_force, refusal_of, signature_of
from domain.errors import ServiceDegraded, Unavailable
from domain.redis_keys import MARK_SIGNATURES_KEY, MARKS_KEY

MAX_DURATION_SECONDS = 86_400
MAX_MARKS = 1_000
REFRESH_SECONDS = 0.4
VALID_SECONDS = 0.5
TIMEOUT_SECONDS = 0.5
IDLE_SECONDS = 1.0
"""The time without a use after which the copy is no longer renewed."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class DegradationMarks(Resident):
    """`async with DegradationMarks(redis) as marks`: `await marks.fresh()` hardly ever waits.

    `marks.current()` is for those who have just done that.
    """

    def __init__(self, redis: Redis, *, refresh_seconds: float = REFRESH_SECONDS, max_marks: int = MAX_MARKS) -> None:
        self._redis = redis
        self._refresh_seconds = refresh_seconds
        self._max_marks = max_marks
        self._marks: Marks = NO_MARKS
        self._is_known = True
        self._read_at = 0.0
        self._used_at = time.monotonic()
        self._used = asyncio.Event()
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.refresh()
        return await super().__aenter__()

    def current(self) -> Marks:
        """Return the marks that have not ended, by service name."""
        return in_force(self._marks.values(), now=datetime.now(UTC)) if self._marks else NO_MARKS

    async def fresh(self) -> Marks:
        """Return the current marks, with every one whose setting was answered before this call.

        Waits only where this process has not come round to reading them for long. While Redis is away it never waits.
        """
        self._used_at = time.monotonic()
        self._used.set()
        if self._is_stale():
            async with self._renewing:
                if self._is_stale():
                    await self.refresh()
        return self.current()

    async def set(
        self, service_name: str, strategy: Strategy, *, duration: timedelta, author: Author | None = None
    ) -> datetime:
        """Mark a service, in place of its former mark; returns its end, once every process goes by it.

        Raises Unavailable while Redis does not answer.
        """
        now = datetime.now(UTC)
        until = now + duration
        signature = signature_of(author, at=now) if author else None
        await _answered(self._store(Mark(service_name, strategy, until, signature)))
        await self._until_known_everywhere()
        log.warning("service_marked", service=service_name, strategy=strategy.value, until=until.isoformat())
        return until

    async def clear(self, service_name: str) -> bool:
        """End a mark in every process; returns whether there was one. Raises Unavailable while Redis does
        not answer."""
        # Of a copy that rests others may have cleared it long ago.
        had = service_name in await self.fresh()
        removed = await _answered(self._remove([service_name]))
        if had or removed:
            await self._until_known_everywhere()
        log.info("service_mark_cleared", service=service_name)
        return had or bool(removed)

    async def refresh(self) -> None:
        """Read the marks now."""
        began = time.monotonic()
        try:
            stored, signed = await _answered(self._read())
        except Unavailable as error:
            self._marks = NO_MARKS
            if self._is_known:
                log.warning("degradation_marks_unknown", error=type(error.__cause__).__name__)
            self._is_known = False
            return
        self._is_known = True
        if began < self._read_at:
            return  # somebody has read them since
        self._read_at = began
        marks = [_mark(name, value, signed=signed.get(name)) for name, value in stored.items()]
        self._marks = {mark.service_name: mark for mark in marks if mark is not None}

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._refresh_soon, name="degradation-marks")]

    async def _until_known_everywhere(self) -> None:
        await self.refresh()
        await asyncio.sleep(VALID_SECONDS)

    def _is_stale(self) -> bool:
        return self._is_known and time.monotonic() - self._read_at > VALID_SECONDS

    async def _refresh_soon(self) -> None:
        if self._is_known and time.monotonic() - self._used_at >= IDLE_SECONDS:
            self._used.clear()
            await self._used.wait()
        await asyncio.sleep(self._refresh_seconds)
        await self.refresh()

    async def _store(self, mark: Mark) -> None:
        await self._forget_ended(make_room_for=mark.service_name)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(MARKS_KEY, mark.service_name, msgspec.json.encode([mark.strategy.value, mark.until]))
            pipe.hset(MARK_SIGNATURES_KEY, mark.service_name, msgspec.json.encode([mark.until, mark.signature]))
            pipe.expire(MARKS_KEY, MAX_DURATION_SECONDS)
            pipe.expire(MARK_SIGNATURES_KEY, MAX_DURATION_SECONDS)
            await pipe.execute()

    async def _read(self) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(MARKS_KEY)
            pipe.hgetall(MARK_SIGNATURES_KEY)
            stored, signed = await pipe.execute()
        return stored, signed

    async def _remove(self, service_names: Sequence[str]) -> int:
        """Return how many of them were marked."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(MARKS_KEY, *service_names)
            pipe.hdel(MARK_SIGNATURES_KEY, *service_names)
            removed, _ = await pipe.execute()
        return int(removed)

    async def _forget_ended(self, *, make_room_for: str) -> None:
        await self.refresh()
        kept = self.current()
        if len(kept) >= self._max_marks and make_room_for not in kept:
            raise Unavailable(f"{self._max_marks} services are marked already; clear one first.")
        ended = [name for name in self._marks if name not in kept]
        if ended:
            await self._remove(ended)


def refuse_degraded(marks: Marks, *, queue_name: str | None, task_name: str | None) -> None:
    """Raise ServiceDegraded where this queue or task is marked to take no new work."""
    mark = refusal_of(marks, queue_name=queue_name, task_name=task_name)
    if mark:
        raise refusal(mark)


def refusal(mark: Mark) -> ServiceDegraded:
    """Return the error that says what is degraded, and until when where that is known."""
    until = f" until {mark.until:%Y-%m-%dT%H:%M:%SZ}" if mark.until else ""
    return ServiceDegraded(f"{mark.service_name} is degraded{until} ({mark.strategy.value}); try again later.")


def _mark(service_name: bytes, stored: bytes, *, signed: bytes | None) -> Mark | None:
    """Read a mark; None for what none of us has written: one strange field must not hide the marks beside it."""
    try:
        strategy, until = msgspec.json.decode(stored, type=tuple[str, datetime])
        # Without an offset it could not be compared with the present.
        return (
            Mark(service_name.decode(), Strategy(strategy), until, _signature(signed, until)) if until.tzinfo else None
        )
    except (ValueError, RecursionError) as error:
        log.debug("degradation_mark_not_understood", error=type(error).__name__)
        return None


def _signature(signed: bytes | None, until: datetime) -> Signature | None:
    """Read who set the mark that ends then; None where another one was set since by a version that does not tell."""
    if signed is None:
        return None
    try:
        end, signature = msgspec.json.decode(signed, type=tuple[datetime, Signature | None])
    except (ValueError, RecursionError) as error:
        log.debug("mark_signature_not_understood", error=type(error).__name__)
        return None
    return signature if end == until else None


async def _answered(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await call
    except (RedisError, OSError) as error:
        raise Unavailable("Redis, which keeps the marks, is unavailable; try again.") from error
