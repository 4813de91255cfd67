"""HTTP on a connection: uvicorn's protocol on httptools, and what it does not bound (docs/adr/0007).

A head has a size and a time, a body a rate, an answer a reader, and all connections together a number and a memory.
What goes beyond is answered in the one error form where an answer is still possible, and the connection is closed.
Nothing here costs a request more than a few comparisons: what takes time is found by a look once a second.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, MutableMapping
from heapq import nsmallest
from typing import Any, cast

import httptools
import structlog
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import HeadTooLarge, RequestTimeout, error_response
from api.middleware.security_headers import API_HEADERS
from domain.errors import CeleriacError, InvalidRequest, Overloaded

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
HEAD_SECONDS = 10.0
MIN_BODY_BYTES_A_SECOND = 16 * 1024
BODY_GRACE_SECONDS = 20.0
"""A body may take so long, and one second more for each 16 KiB of it."""
MAX_FRAMING = 8
"""Bytes on the wire for each of a body: a chunk of one byte has six. Extensions and trailers may have 64 KiB more."""
MAX_PIPELINED = 32
"""Requests that a client may send before it has read their answers."""
LINGER_SECONDS = 5.0
"""How long a client's bytes are still read and dropped after a refusal: else it would not see the answer."""
WRITE_SECONDS = 30.0
WRITE_PROGRESS_BYTES = 16 * 1024
"""How much of its answer, or all of it, a client must take within those seconds."""
MAX_UNSENT_BYTES = 128 * 1024 * 1024
"""Bytes of answers that clients have not taken, over all connections together."""
MAX_CONNECTIONS = 1000
ROOM = 16
"""How many connections are closed together to make room."""
SPARE_FILES = 224
"""How many open files are left to the process itself: databases, brokers, logs."""
LOOK_SECONDS = 1.0

ON_SHUTDOWN = "celeriac.on_shutdown"
"""The place where a scope has what ends an answer that would not end by itself; `end_on_shutdown` puts it there."""
_IS_STOPPING = "celeriac.is_stopping"

HTTP_VERSIONS = ("1.1", "1.0")
NOT_HTTP = "This is not a valid HTTP request."

log = structlog.get_logger(__name__)


def end_on_shutdown(scope: MutableMapping[str, Any], end: Callable[[], None]) -> None:
    """Have this called when the server stops: at once where it has begun to, while the request was looked at."""
    scope[ON_SHUTDOWN] = end
    if _IS_STOPPING in scope:
        end()


class BoundedProtocol(HttpToolsProtocol):
    """The protocol that `uvicorn.run(http="api.protocol:BoundedProtocol")` takes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._looking: asyncio.TimerHandle | None = None
        self._is_reading_body = False
        self._since = self.loop.time()
        """When this head was begun to be waited for, the last answer ended, or the client was refused."""
        self._arrived = 0
        """Bytes of this head or, framing included, of this body; those of the turn in which it began are left out."""
        self._turn = 0
        self._body_bytes = 0
        self._body_seconds = 0.0
        self._is_refused = False
        """What this client still sends is dropped."""
        self._unsent = 0
        self._unsent_since = self._since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)
        if len(self.connections) > max_connections() and not self._make_room():
            # Nobody may linger here: there is room for none.
            self._is_refused = True
            log.info("connection_refused", reason="too_many_connections")
            transport.write(_answer(Overloaded("Too many connections; try again later.")))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking:
            self._looking.cancel()
            self._looking = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        self._turn = len(data)
        self._arrived += self._turn
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We speak nothing else: the request is answered as any, and is the last.
            self._is_refused = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            reason = error.__context__
            if isinstance(reason, _Refused):
                self._refuse(reason.error, reason.reason)
            else:
                self._refuse(InvalidRequest(NOT_HTTP), "not_http")
        else:
            self._check_arrived()

    def _check_arrived(self) -> None:
        if not self._is_reading_body:
            if self._arrived > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(), "head_too_large")
        elif self._arrived > MAX_HEAD_BYTES + MAX_FRAMING * self._body_bytes:
            self._refuse(InvalidRequest(NOT_HTTP), "too_much_framing")

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in HTTP_VERSIONS:
            raise _Refused(InvalidRequest(NOT_HTTP), "not_http")
        if len(self.headers) > MAX_HEADERS or self._head_is_too_large():
            raise _Refused(HeadTooLarge(), "head_too_large")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _Refused(Overloaded(), "too_many_pipelined")
        super().on_headers_complete()
        # Trailers would be added to the headers that the application has already judged.
        self.headers = []
        self._is_reading_body = True
        self._arrived = self._body_bytes = 0
        self._body_seconds = 0.0

    def _head_is_too_large(self) -> bool:
        if max(self._arrived, self._turn) <= MAX_HEAD_BYTES:
            return False
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_reading_body = False
        self._arrived = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's name
        self._refuse(InvalidRequest(NOT_HTTP), "not_http")

    def shutdown(self) -> None:
        super().shutdown()
        if self._is_answering:
            scope = cast("dict[str, Any]", self.cycle.scope)
            scope[_IS_STOPPING] = True
            scope.get(ON_SHUTDOWN, _do_nothing)()

    def pause_writing(self) -> None:
        super().pause_writing()
        _drop_unread_answers(cast("set[BoundedProtocol]", self.connections))

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_awaited(self) -> bool:
        return self._is_answering and not self.cycle.disconnected

    def _refuse(self, error: CeleriacError, reason: str) -> None:
        """Answers, where no answer to an earlier request is due first, and closes when the client could read it."""
        log.info("connection_refused", reason=reason)
        self._is_refused = True
        self._since = self.loop.time()
        if self._is_answering:
            if self.pipeline or self.cycle.response_started or not self._is_reading_body:
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.is_closing():
            return
        self.transport.write(_answer(error))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _look(self) -> None:
        """Finds what takes too long."""
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)
        now = self.loop.time()
        if not self._takes_its_answer(now):
            self._cut("answer_not_taken")
        elif self._is_refused:
            if now - self._since > LINGER_SECONDS and not self._is_awaited:
                self.transport.abort()
        elif self._is_answering:
            if self._is_reading_body and not self._body_is_in_time():
                self._refuse(RequestTimeout(), "body_too_slow")
        elif self._is_reading_body:
            if now - self._since > LINGER_SECONDS:
                self._cut("body_not_wanted")
        elif now - self._since > HEAD_SECONDS and not self.transport.is_closing():
            if self._arrived:
                self._refuse(RequestTimeout(), "head_too_slow")
            else:
                self.transport.close()

    def _body_is_in_time(self) -> bool:
        # While the application does not read, the client is not to blame.
        if not self.flow.read_paused:
            self._body_seconds += LOOK_SECONDS
        return self._body_seconds <= BODY_GRACE_SECONDS + self._body_bytes / MIN_BODY_BYTES_A_SECOND

    def _takes_its_answer(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        # Else more is written meanwhile, and there is little: the application waits where there is much.
        is_all = self.flow.write_paused or not self._is_answering
        if not unsent or not is_all or not self._unsent or unsent <= self._unsent - WRITE_PROGRESS_BYTES:
            self._unsent, self._unsent_since = unsent if is_all else 0, now
        return now - self._unsent_since <= WRITE_SECONDS

    def _make_room(self) -> bool:
        """Closes the connections without a request that have waited longest, of the client that has most of them."""
        others = cast("set[BoundedProtocol]", self.connections)
        idle = [other for other in others if other is not self and not other._is_answering]
        if not idle:
            return False
        of_each = Counter(other.host for other in idle)
        # Some at once, for looking for them takes a millisecond.
        for other in nsmallest(ROOM, idle, key=lambda other: (-of_each[other.host], other._since)):
            other._cut("room_for_others")
        return True

    @property
    def host(self) -> str | None:
        """Return the peer's address; None where it has none."""
        return self.client[0] if self.client else None

    def _cut(self, reason: str) -> None:
        log.info("connection_refused", reason=reason)
        self.connections.discard(self)
        self.transport.abort()


class _Refused(Exception):
    """Raised in a callback of the parser, which then stops."""

    def __init__(self, error: CeleriacError, reason: str) -> None:
        self.error = error
        self.reason = reason


def _do_nothing() -> None:
    """Stand in for what ends an answer, where it ends by itself."""


def max_connections() -> int:
    """Return as many as the process may have open files, less those that it needs itself."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, files - SPARE_FILES))


def _drop_unread_answers(connections: "set[BoundedProtocol]") -> None:
    """Close the connection of which most is unread, while clients leave too much unread."""
    unsent = {connection: connection.transport.get_write_buffer_size() for connection in connections}
    total = sum(unsent.values())
    while total > MAX_UNSENT_BYTES and unsent:
        largest = max(unsent, key=lambda connection: unsent[connection])
        total -= unsent.pop(largest)
        largest._cut("too_much_unread")


def _answer(error: CeleriacError) -> bytes:
    request_id = str(uuid7())
    response = error_response(error, {"type": "http", "request_id": request_id})
    headers = [
        *response.raw_headers,
        *API_HEADERS,
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    lines = [STATUS_LINE[response.status_code], *(name + b": " + value + b"\r\n" for name, value in headers), b"\r\n"]
    return b"".join(lines) + bytes(response.body)
