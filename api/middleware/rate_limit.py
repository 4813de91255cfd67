"""Lets each client address make only so many requests a minute, counted in Redis for all API processes together.

Fixed windows that begin with an address's first request. A counter that is down or slow never holds a request up:
after 50 ms it is given up, for 5 s nobody asks it again, and one log line says so. Meanwhile each process counts on by
itself, from what it last knew of the address; when Redis is back, so is the count that all share. An event loop that
was itself busy for so long is no reason: nobody shall get past the limit with large bodies.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import RateLimited, error_response
from api.middleware.client_address import ClientAddress
from api.middleware.scopes import is_open
from domain.redis_keys import requests_key

WINDOW_SECONDS = 60
STORE_TIMEOUT_SECONDS = 0.05
# The end of the 50 ms, counted only once the loop turns again: then an answer that has come meanwhile is read first.
LAST_LOOK_SECONDS = 0.01
BREAK_SECONDS = 5.0
# About 200 bytes each; beyond these the one that began first is forgotten.
MAX_WINDOWS = 10_000

log = structlog.get_logger(__name__)


class RateLimit:
    """Refuses with 429 what exceeds the limit, and tells every client where it stands."""

    def __init__(self, app: ASGIApp, *, limit: int, address: ClientAddress) -> None:
        self._app = app
        self._limit = limit
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http" or is_open(scope):
            await self._app(scope, receive, send)
            return
        counter: WindowCounter = scope["app"].state.resources.request_counter
        count, reset = await counter.count(self._address.of(scope))
        headers = self._headers(count, reset)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        if count <= self._limit:
            await self._app(scope, receive, send_with_headers)
            return
        response = error_response(RateLimited(retry_after_seconds=seconds_until(reset)), scope)
        await response(scope, receive, send_with_headers)

    def _headers(self, count: int, reset: int) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit", b"%d" % self._limit),
            (b"x-ratelimit-remaining", b"%d" % max(0, self._limit - count)),
            (b"x-ratelimit-reset", b"%d" % reset),
        ]


def seconds_until(reset: int) -> int:
    """Return for how many seconds to wait for the end of a window, one at least."""
    return max(1, reset - int(time.time()))


@dataclass(slots=True)
class _Window:
    """What this process knows of an address: the requests counted in its window, and the second at which that ends."""

    count: int
    reset: int


@dataclass(slots=True)
class _Group:
    """Requests of one address that are counted together."""

    counted: "asyncio.Task[tuple[int, int]]"
    size: int = 0


class WindowCounter:
    """Counts requests by address in a Redis that other processes share.

    Those that arrive in the same turn of the event loop are counted with one command: it costs 110 us, as much as
    FastAPI and all other layers together.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        window_seconds: int = WINDOW_SECONDS,
        break_seconds: float = BREAK_SECONDS,
        max_windows: int = MAX_WINDOWS,
    ) -> None:
        self._window_seconds = window_seconds
        self._break_seconds = break_seconds
        self._max_windows = max_windows
        pool: Any = redis.connection_pool  # which the storage takes, but its signature does not say so
        self._storage = RedisStorage("async+redis://", implementation="redispy", connection_pool=pool)
        self._groups: dict[str, _Group] = {}
        self._windows: dict[str, _Window] = {}
        self._broken_until = 0.0
        self._is_broken = False

    async def count(self, address: str) -> tuple[int, int]:
        """Return this request's number in its window, and the Unix second at which the window ends.

        As far as this process alone can tell while the store does not answer.
        """
        now = time.time()
        if now < self._broken_until:
            return self._count_alone(address, 1, now=now)
        group = self._groups.get(address)
        if group is None:
            group = self._groups[address] = _Group(asyncio.create_task(self._count_group(address)))
        number = group.size = group.size + 1
        count, reset = await asyncio.shield(group.counted)
        return max(0, count - group.size + number), reset

    async def _count_group(self, address: str) -> tuple[int, int]:
        await asyncio.sleep(0)
        size = self._groups.pop(address).size
        now = time.time()
        try:
            async with _store_timeout():
                return await self._add(address, size, now=now)
        except (RedisError, OSError) as error:
            self._break(now, error)
        return self._count_alone(address, size, now=now)

    async def _add(self, address: str, amount: int, *, now: float) -> tuple[int, int]:
        key = requests_key(address)
        count = await self._storage.incr(key, self._window_seconds, amount)
        window = self._windows.get(address)
        if window is None or count == amount or window.reset <= now:
            # One more round trip in each window, not in each request.
            # Redis rounds to whole seconds: whoever waits until then surely finds a new window.
            window = self._begin(address, count, reset=int(await self._storage.get_expiry(key)) + 1)
        window.count = count
        if self._is_broken:
            self._is_broken = False
            log.info("rate_limit_store_recovered")
        return count, window.reset

    def _count_alone(self, address: str, amount: int, *, now: float) -> tuple[int, int]:
        window = self._windows.get(address)
        if window is None or window.reset <= now:
            window = self._begin(address, 0, reset=int(now) + self._window_seconds + 1)
        window.count += amount
        return window.count, window.reset

    def _begin(self, address: str, count: int, *, reset: int) -> _Window:
        """A window in the place of an older one, or of the one that began first where there are too many."""
        self._windows.pop(address, None)
        if len(self._windows) >= self._max_windows:
            del self._windows[next(iter(self._windows))]
        window = self._windows[address] = _Window(count, reset)
        return window

    def _break(self, now: float, error: Exception) -> None:
        self._broken_until = now + self._break_seconds
        if not self._is_broken:
            self._is_broken = True
            log.warning("rate_limit_store_unavailable", error=type(error).__name__)


@asynccontextmanager
async def _store_timeout() -> AsyncIterator[None]:
    """TimeoutError after 50 ms in which the event loop could have read the answer."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timer:
        last_look = loop.call_later(
            STORE_TIMEOUT_SECONDS - LAST_LOOK_SECONDS, lambda: timer.reschedule(loop.time() + LAST_LOOK_SECONDS)
        )
        try:
            yield
        finally:
            last_look.cancel()
