"""The answer that does not end: the feed as server-sent events, for one client, as long as he takes it and may."""

import asyncio
import time
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import RateLimited
from api.middleware.authentication import ask_again
from api.protocol import ON_SHUTDOWN
from api.schemas.events import gap_of, timestamp_of
from api.streams.frames import named_frame, sign_of_life
from api.streams.hub import FeedHub, Framed, framed
from domain.errors import CeleriacError, Unavailable
from domain.feed import Wanted, is_seen, write_cursor
from domain.principals import Principal
from domain.scopes import Scope as Permission
from domain.sight import Sight
from services.feed_reading import Reading

HEARTBEAT_SECONDS = 15.0
ASK_AGAIN_SECONDS = 60.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Sends `hello`, what is missing, what was read first, and from then on what comes.

    It ends when its client has gone, when his key no longer opens, when what comes next is no longer kept, and when the
    server stops.
    """

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(
        self, hub: FeedHub, first: Reading, *, wanted: Wanted, sight: Sight, caller: Principal, scope: Scope
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._hub = hub
        self._first = first
        self._wanted = wanted
        self._sight = sight
        self._caller = caller
        self._scope = scope
        self._place = first.ends
        self._wake = asyncio.Event()
        self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.opened(self._caller, self._first, wake=self._wake):
            scope[ON_SHUTDOWN] = self._end
            leaving = asyncio.create_task(self._wait_for_end(receive), name="stream-client")
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send_all(send)
            finally:
                leaving.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _end(self) -> None:
        self._is_over = True
        self._wake.set()

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
            portion = await self._hub.take(self._place, epoch=self._first.epoch)
            if portion is None:
                return
            frames = self._frames(portion.changes)
            self._place = portion.ends
            if not portion.changes and not await self._woken():
                frames = sign_of_life(self._cursor())
            if frames:
                await _put(send, frames)

    async def _woken(self) -> bool:
        """Whether there is more within the time after which a sign of life is due."""
        try:
            await asyncio.wait_for(self._wake.wait(), HEARTBEAT_SECONDS)
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
        self._sight = Sight(principal.limits)
        return principal.may(Permission.READ)

    def _beginning(self) -> bytes:
        first, cursor = self._first, write_cursor(self._first.epoch, self._first.begins)
        hello = {"cursor": cursor, "complete_since": timestamp_of(first.complete_since)}
        frames = named_frame("hello", cursor, data=hello, retry=True)
        if first.is_reset:
            frames += named_frame("reset", cursor, data={"cursor": cursor, "reason": "of another database"})
        if first.gap_ends is not None:
            frames += named_frame("gap", write_cursor(first.epoch, first.gap_ends), data=gap_of(first) or {})
        return frames + self._frames(framed(first))

    def _frames(self, changes: Iterable[Framed]) -> bytes:
        return b"".join(
            each.frame for each in changes if self._wanted.matches(each.change) and is_seen(each.change, self._sight)
        )

    def _cursor(self) -> str:
        return write_cursor(self._first.epoch, self._place)


async def _put(send: Send, frames: bytes) -> None:
    """Wait while the client does not read; the connection is cut when it has not for 30 s (`api/protocol.py`)."""
    await send({"type": "http.response.body", "body": frames, "more_body": True})
