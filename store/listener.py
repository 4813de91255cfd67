"""LISTEN on Postgres: an asyncio event that is set whenever another process notified a channel.

One connection of its own outside the pool. Notifications carry nothing; who is woken reads again. After
every (re)connect the event is set once, since what was notified meanwhile is lost.
"""

import asyncio
from typing import Any

import psycopg
import structlog
from psycopg.abc import RV, PQGen

from background import Resident, start_rounds
from store.engine import CONNECT_TIMEOUT_SECONDS, TCP_USER_TIMEOUT_MS, libpq_url

OUTBOX = "celeriac_outbox"
"""A submission was committed."""
FINISHED = "celeriac_finished"
"""Tasks reached an end."""
WORKFLOWS = "celeriac_workflows"
"""Workflows have something to go on with."""
AWAITED = "celeriac_awaited"
"""A workflow can go on only after the end of one of few steps: mirrors hurry."""
API_KEYS = "celeriac_keys"
"""An API key was made, changed or revoked, or a session has ended."""

FEED = "celeriac_feed"
"""The feed has another change."""

RECONNECT_SECONDS = 1.0
REST_SECONDS = 60.0
"""How long a connection that hears nothing rests at a time; psycopg itself would look ten times a second."""

log = structlog.get_logger(__name__)


class _Resting(psycopg.AsyncConnection[Any]):
    """Is woken by what the server sends, and by nothing else for long."""

    async def wait(self, gen: PQGen[RV], *_limits: Any, **_named_limits: Any) -> RV:
        """Wait as psycopg does, and look seldom whether there is something that it was not told of."""
        return await super().wait(gen, interval=REST_SECONDS)


class Listener(Resident):
    """`async with Listener(url, channel) as listener: await listener.wait(timeout)`."""

    def __init__(self, database_url: str, channel: str, *, reconnect_seconds: float = RECONNECT_SECONDS) -> None:
        self._reconnect_seconds = reconnect_seconds
        self._url = libpq_url(database_url)
        self._channel = channel
        self._notified = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for the next notification, at most this long; True if there was one since the last call."""
        try:
            await asyncio.wait_for(self._notified.wait(), timeout_seconds)
        except TimeoutError:
            return False
        self._notified.clear()
        return True

    def wake(self) -> None:
        """Wake whoever waits, as a notification does."""
        self._notified.set()

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._listen, name=f"listen-{self._channel}")]

    async def _listen(self) -> None:
        try:
            await self._hear()
        except (psycopg.Error, OSError) as error:
            log.warning("listen_connection_lost", channel=self._channel, error=type(error).__name__)
        await asyncio.sleep(self._reconnect_seconds)

    async def _hear(self) -> None:
        connection = await _Resting.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            tcp_user_timeout=TCP_USER_TIMEOUT_MS,
            keepalives_idle=10,
            application_name=f"{self._channel} listener",
        )
        async with connection:
            await connection.execute(f"LISTEN {self._channel}")
            self._notified.set()
            async for _ in connection.notifies():
                self._notified.set()
