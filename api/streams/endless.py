"""The answer that does not end: server-sent events for one client, as long as he takes them and may.

What is sent is made by subclasses: the feed (`api/streams/events.py`) and what open pages are told
(`api/streams/live.py`).
"""

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import RateLimited
from api.middleware.authentication import ask_again
from api.protocol import end_on_shutdown
from api.streams.frames import BYE
from domain.errors import CeleriacError, Unavailable
from domain.principals import Principal
from domain.scopes import Scope as Permission

HEARTBEAT_SECONDS = 15.0
ASK_AGAIN_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EndlessAnswer(Response, ABC):
    """Sends what comes, until its client has gone, his key no longer opens, there is no more, or the server stops."""

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(self, *, caller: Principal, scope: Scope) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._caller = caller
        self._scope = scope
        self._wake = asyncio.Event()
        self._is_over = False
        self._goodbye = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened():
            end_on_shutdown(scope, self._stop)
            leaving = asyncio.create_task(self._wait_for_end(receive), name="stream-client")
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send_all(send)
            finally:
                leaving.cancel()
            await send({"type": "http.response.body", "body": self._goodbye, "more_body": False})

    @abstractmethod
    def _opened(self) -> AbstractContextManager[None]:
        """Counts the stream while it lasts, and lets it be woken. Raises Overloaded."""

    @abstractmethod
    def _beginning(self) -> bytes:
        """Returns what is sent first."""

    @abstractmethod
    async def _next(self) -> bytes | None:
        """Returns what is sent next, be it nothing; None where there is nothing more until it is woken."""

    @abstractmethod
    def _sign_of_life(self) -> bytes:
        """Returns what is sent when nothing came for long."""

    @abstractmethod
    def _admits(self, principal: Principal) -> bool:
        """Whether he whom the key belongs to now may go on."""

    def _end(self) -> None:
        self._is_over = True
        self._wake.set()

    def _stop(self) -> None:
        self._goodbye = BYE
        self._end()

    def _heartbeat_seconds(self) -> float:
        return HEARTBEAT_SECONDS

    async def _wait_for_end(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def _send_all(self, send: Send) -> None:
        await _put(send, self._beginning())
        asked_at = time.monotonic()
        while not self._is_over:
            if time.monotonic() - asked_at >= ASK_AGAIN_SECONDS:
                if not await self._may_still():
                    return
                asked_at = time.monotonic()
            self._wake.clear()
            frames = await self._next()
            if frames is None and not await self._woken():
                frames = self._sign_of_life()
            if frames:
                await _put(send, frames)

    async def _woken(self) -> bool:
        """Whether there is more within the time after which a sign of life is due."""
        if self._is_over:
            return True
        try:
            await asyncio.wait_for(self._wake.wait(), self._heartbeat_seconds())
        except TimeoutError:
            return False
        return True

    async def _may_still(self) -> bool:
        """Ask again who he is: his key may have been revoked, or limited, since."""
        try:
            principal = await ask_again(self._scope)
        except (RateLimited, Unavailable):
            return True
        except CeleriacError:
            return False
        return principal.may(Permission.READ) and self._admits(principal)


async def _put(send: Send, frames: bytes) -> None:
    """Wait while the client does not read; the connection is cut when it has not for 30 s (`api/protocol.py`)."""
    await send({"type": "http.response.body", "body": frames, "more_body": True})
