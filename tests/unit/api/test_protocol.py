"""The bounds of a connection, at their borders: a transport and a clock of these tests' own, no socket and no waiting.

What uvicorn and real sockets make of it is in `tests/integration/api/test_connections.py`.
"""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.config import Config
from uvicorn.server import ServerState

from api import protocol
from api.protocol import (
    BODY_GRACE_SECONDS,
    HEAD_SECONDS,
    LINGER_SECONDS,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED,
    MAX_UNSENT_BYTES,
    MIN_BODY_BYTES_A_SECOND,
    ROOM,
    WRITE_PROGRESS_BYTES,
    WRITE_SECONDS,
    BoundedProtocol,
    end_on_shutdown,
    max_connections,
)

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NOT_HTTP = (400, "VALIDATION_ERROR", "This is not a valid HTTP request.")
TOO_LARGE = (
    431,
    "HEAD_TOO_LARGE",
    "The request's path, query and headers are too large together, or the headers too many.",
)
TOO_SLOW = (408, "REQUEST_TIMEOUT", "The request took too long to arrive.")
FULL = (503, "OVERLOADED", "Too many connections; try again later.")


class Clock:
    """The part of an event loop that the protocol uses: its time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._due: list[tuple[float, Callable[[], None], Timer]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> "Timer":
        timer = Timer()
        self._due.append((self.now + seconds, call, timer))
        return timer

    def create_task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(work)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            due = [each for each in self._due if each[0] <= self.now]
            self._due = [each for each in self._due if each[0] > self.now]
            for _, call, timer in due:
                if not timer.is_cancelled:
                    call()

    def waiting(self) -> int:
        """How many timers have not been cancelled."""
        return sum(not timer.is_cancelled for _, _, timer in self._due)


class Timer:
    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Wire(asyncio.Transport):
    """What the other side would see."""

    def __init__(self, address: tuple[str, int] | None, *, is_tls: bool = False) -> None:
        super().__init__({"peername": address, "sockname": ("127.0.0.1", 8000)})
        self.written = b""
        self.unsent = 0
        """Bytes that the other side has not taken; the test says how many."""
        self.end: str | None = None
        self._is_tls = is_tls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert self.end is None, "written after the end"
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return not self._is_tls

    def write_eof(self) -> None:
        self.end = "eof"

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def is_closing(self) -> bool:
        return self.end in ("closed", "aborted")

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent


class App:
    """Reads the body and answers; waits before the answer until `may_answer` is set."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.ends: list[str | bytes] = []
        """Of each request the whole body, or what ended it."""
        self.may_read, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_read.set()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        self.scopes.append(scope)
        await self.may_read.wait()
        body, message = b"", await receive()
        while message.get("more_body"):
            body += message["body"]
            message = await receive()
        self.ends.append(body + message["body"] if message["type"] == "http.request" else message["type"])
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Server:
    """Connections that share a process."""

    def __init__(self) -> None:
        self.app, self.clock, self.state = App(), Clock(), ServerState()
        self._config = Config(self.app, http=BoundedProtocol, ws="none", log_config=None, proxy_headers=False)
        self._made: list[BoundedProtocol] = []

    def connect(self, host: str | None = "10.0.0.1", *, is_tls: bool = False) -> tuple[BoundedProtocol, Wire]:
        connection = BoundedProtocol(self._config, self.state, {}, cast(asyncio.AbstractEventLoop, self.clock))
        wire = Wire((host, 50_000) if host else None, is_tls=is_tls)
        connection.connection_made(wire)
        self._made.append(connection)
        return connection, wire

    async def end(self) -> None:
        """Lose all connections, so that no request waits any more."""
        self.app.may_read.set()
        self.app.may_answer.set()
        for connection in self._made:
            connection.connection_lost(None)
        await turn()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.end()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


async def turn() -> None:
    """Let the tasks of requests come as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def refusal(wire: Wire) -> tuple[int, str, str]:
    """Status, code and sentence of the only answer; fails if it is not in the one form of errors."""
    head, _, body = wire.written.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    told = json.loads(body)
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"] == told["request_id"]
    assert headers["x-content-type-options"] == "nosniff"
    return int(first.split()[1]), told["code"], told["detail"]


def reasons(logs: list[Any]) -> list[str]:
    return [event["reason"] for event in logs if event["event"] == "connection_refused"]


def head_of(size: int) -> bytes:
    """A head of which path, names and values, with 4 bytes for each header, are so many."""
    url, name = b"/x", b"a"
    return b"GET " + url + b" HTTP/1.1\r\n" + name + b": " + b"v" * (size - len(url) - len(name) - 4) + b"\r\n\r\n"


async def test_a_request_is_answered_and_the_connection_stays_open(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    for _ in range(2):
        connection.data_received(POST + b"Content-Length: 3\r\n\r\nabc")
        await turn()
    assert server.app.ends == [b"abc", b"abc"]
    assert wire.written.count(b"HTTP/1.1 200 OK") == 2
    assert wire.end is None
    assert reasons(logs) == []


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES, MAX_HEAD_BYTES + 1])
@pytest.mark.parametrize("is_whole", [True, False], ids=["at once", "in two parts"])
async def test_a_head_may_be_as_large_as_the_bound_and_no_byte_larger(
    server: Server, size: int, is_whole: bool
) -> None:
    connection, wire = server.connect()
    head = head_of(size)
    for part in [head] if is_whole else [head[:1_000], head[1_000:]]:
        connection.data_received(part)
    await turn()
    if size > MAX_HEAD_BYTES:
        assert refusal(wire) == TOO_LARGE
        assert server.app.scopes == []
    else:
        assert wire.written.startswith(b"HTTP/1.1 200")


async def test_a_head_without_an_end_is_refused_before_it_is_whole(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    connection.data_received(b"GET /x HTTP/1.1\r\na: " + b"v" * (MAX_HEAD_BYTES - 20))
    assert wire.written == b""
    connection.data_received(b"vv")
    assert refusal(wire) == TOO_LARGE
    assert reasons(logs) == ["head_too_large"]


@pytest.mark.parametrize("count", [MAX_HEADERS, MAX_HEADERS + 1])
async def test_headers_may_be_so_many_and_not_one_more(server: Server, count: int) -> None:
    connection, wire = server.connect()
    connection.data_received(b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * count + b"\r\n")
    await turn()
    assert len(server.app.scopes) == (1 if count == MAX_HEADERS else 0)
    if count > MAX_HEADERS:
        assert refusal(wire) == TOO_LARGE


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS where none is spoken
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n",
        b"GET /x HTTP/0.9\r\nHost: h\r\n\r\n",
        b"GET /x\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET /x HTTP/1.1\r\na: b\x00c\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_never_reaches_the_app(
    server: Server, logs: list[Any], sent: bytes
) -> None:
    connection, wire = server.connect()
    connection.data_received(sent)
    await turn()
    assert refusal(wire) == NOT_HTTP
    assert server.app.scopes == []
    assert reasons(logs) == ["not_http"]


async def test_what_a_client_sent_is_in_no_log_line(server: Server, logs: list[Any]) -> None:
    connection, _ = server.connect()
    connection.data_received(b"GET /s3cret HTTP/1.1\r\nAuthorization : Bearer s3cret\r\n\r\n")
    assert reasons(logs) == ["not_http"]
    assert "s3cret" not in str(logs)


async def test_http_1_0_is_answered_and_its_connection_closed(server: Server) -> None:
    connection, wire = server.connect()
    connection.data_received(b"GET /x HTTP/1.0\r\n\r\n")
    await turn()
    assert wire.written.startswith(b"HTTP/1.1 200")
    assert wire.end == "closed"


async def test_a_wish_for_another_protocol_is_answered_as_any_request_and_is_the_last(server: Server) -> None:
    connection, wire = server.connect()
    connection.data_received(b"GET /x HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    connection.data_received(GET)
    await turn()
    assert wire.written.count(b"HTTP/1.1") == 1
    assert b"connection: close" in wire.written
    assert wire.end == "closed"
    assert len(server.app.scopes) == 1


async def test_after_a_refusal_nothing_more_is_read(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    connection.data_received(b"nonsense\r\n\r\n")
    answer = wire.written
    connection.data_received(GET)
    connection.data_received(b"nonsense\r\n\r\n")
    await turn()
    assert (wire.written, wire.end) == (answer, "eof")
    assert server.app.scopes == []
    assert reasons(logs) == ["not_http"]


async def test_where_a_connection_cannot_be_half_closed_it_is_closed(server: Server) -> None:
    connection, wire = server.connect(is_tls=True)
    connection.data_received(b"nonsense\r\n\r\n")
    assert refusal(wire) == NOT_HTTP
    assert wire.end == "closed"


async def test_nonsense_behind_a_request_never_overtakes_its_answer(server: Server) -> None:
    server.app.may_answer.clear()
    connection, wire = server.connect()
    connection.data_received(GET)
    await turn()
    connection.data_received(b"nonsense\r\n\r\n")
    await turn()
    assert wire.written == b""
    server.app.may_answer.set()
    await turn()
    assert wire.written.startswith(b"HTTP/1.1 200")
    assert wire.written.count(b"HTTP/1.1") == 1
    assert wire.end == "closed"


@pytest.mark.parametrize("in_line", [MAX_PIPELINED, MAX_PIPELINED + 1])
async def test_so_many_requests_may_wait_in_line_and_all_that_were_taken_are_answered(
    server: Server, logs: list[Any], in_line: int
) -> None:
    server.app.may_answer.clear()
    connection, wire = server.connect()
    connection.data_received(GET * (1 + in_line))
    server.app.may_answer.set()
    for _ in range(in_line):
        await turn()
    assert wire.written.count(b"HTTP/1.1 200 OK") == 1 + MAX_PIPELINED
    assert wire.end == (None if in_line == MAX_PIPELINED else "closed")
    assert reasons(logs) == ([] if in_line == MAX_PIPELINED else ["too_many_pipelined"])


async def test_a_body_in_chunks_of_one_byte_is_read(server: Server) -> None:
    connection, wire = server.connect()
    connection.data_received(CHUNKED)
    for _ in range(100):
        connection.data_received(b"1\r\na\r\n" * 1_000)
    connection.data_received(b"0\r\n\r\n")
    await turn()
    assert server.app.ends == [b"a" * 100_000]
    assert wire.written.startswith(b"HTTP/1.1 200")


async def test_a_body_that_is_mostly_framing_is_refused(server: Server, logs: list[Any]) -> None:
    server.app.may_answer.clear()
    connection, wire = server.connect()
    connection.data_received(CHUNKED)
    await turn()
    connection.data_received(b"1;" + b"e" * (MAX_HEAD_BYTES - 2))
    assert wire.written == b""
    connection.data_received(b"e")
    assert refusal(wire) == NOT_HTTP
    assert reasons(logs) == ["too_much_framing"]
    await turn()
    assert server.app.ends == ["http.disconnect"]
    server.app.may_answer.set()
    await turn()
    assert refusal(wire) == NOT_HTTP  # and no second answer behind it


async def test_trailers_do_not_become_headers(server: Server) -> None:
    server.app.may_read.clear()
    connection, _ = server.connect()
    connection.data_received(CHUNKED + b"1\r\na\r\n0\r\nAuthorization: Bearer stolen\r\n\r\n")
    server.app.may_read.set()
    await turn()
    assert server.app.ends == [b"a"]
    assert [name for name, _ in server.app.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


async def test_a_connection_that_sends_nothing_is_closed_without_a_word(server: Server, logs: list[Any]) -> None:
    _, wire = server.connect()
    server.clock.pass_seconds(int(HEAD_SECONDS))
    assert wire.end is None
    server.clock.pass_seconds(1)
    assert wire.written == b""
    assert [wire.end] == ["closed"]
    assert reasons(logs) == []


async def test_a_head_that_comes_byte_by_byte_has_no_longer_than_any(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    for byte in b"GET /slow H":
        assert wire.written == b""
        connection.data_received(bytes([byte]))
        server.clock.pass_seconds(1)
    assert refusal(wire) == TOO_SLOW
    assert reasons(logs) == ["head_too_slow"]


async def test_a_refused_client_has_a_while_to_read_why(server: Server) -> None:
    connection, wire = server.connect()
    connection.data_received(b"nonsense\r\n\r\n")
    server.clock.pass_seconds(int(LINGER_SECONDS))
    assert wire.end == "eof"
    server.clock.pass_seconds(1)
    assert wire.end == "aborted"


async def test_a_body_that_stops_is_refused_after_the_grace(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    connection.data_received(POST + b"Content-Length: 10\r\n\r\nabc")
    await turn()
    server.clock.pass_seconds(int(BODY_GRACE_SECONDS))
    assert wire.written == b""
    server.clock.pass_seconds(1)
    assert refusal(wire) == TOO_SLOW
    assert reasons(logs) == ["body_too_slow"]
    await turn()
    assert server.app.ends == ["http.disconnect"]


async def test_each_16_kib_of_a_body_buy_it_a_second(server: Server) -> None:
    connection, wire = server.connect()
    connection.data_received(POST + b"Content-Length: 1000000\r\n\r\n")
    await turn()
    for _ in range(3):
        connection.data_received(b"a" * MIN_BODY_BYTES_A_SECOND)
        await turn()
    server.clock.pass_seconds(int(BODY_GRACE_SECONDS) + 3)
    assert wire.written == b""
    server.clock.pass_seconds(1)
    assert refusal(wire) == TOO_SLOW


async def test_while_the_application_does_not_read_the_client_is_not_to_blame(server: Server) -> None:
    server.app.may_read.clear()
    connection, wire = server.connect()
    connection.data_received(POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 70_000)
    await turn()
    server.clock.pass_seconds(int(BODY_GRACE_SECONDS) * 10)
    assert (wire.written, wire.end) == (b"", None)


async def test_a_body_whose_answer_is_out_is_read_for_a_while_and_then_cut(server: Server, logs: list[Any]) -> None:
    async def answer_at_once(scope: Scope, receive: Receive, send: Send, /) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    connection, wire = server.connect()
    connection.app = cast(Any, answer_at_once)
    connection.data_received(POST + b"Content-Length: 1000000\r\n\r\n")
    await turn()
    server.clock.pass_seconds(4)
    connection.data_received(b"a")  # else uvicorn's own clock of idle connections would be first
    server.clock.pass_seconds(1)
    assert wire.end is None
    server.clock.pass_seconds(1)
    assert wire.end == "aborted"
    assert reasons(logs) == ["body_not_wanted"]


async def test_a_client_that_does_not_take_its_answer_is_cut(server: Server, logs: list[Any]) -> None:
    connection, wire = server.connect()
    connection.data_received(GET)
    await turn()
    connection.data_received(GET[:5])
    wire.unsent = 100_000
    connection.pause_writing()
    server.clock.pass_seconds(1)
    for _ in range(int(WRITE_SECONDS) // 10):
        connection._since = server.clock.now  # the head that it has begun is not what is looked at here
        server.clock.pass_seconds(10)
    assert wire.end is None
    connection._since = server.clock.now
    server.clock.pass_seconds(1)
    assert wire.end == "aborted"
    assert reasons(logs) == ["answer_not_taken"]
    assert connection not in server.state.connections


@pytest.mark.parametrize(("taken", "end"), [(WRITE_PROGRESS_BYTES, None), (WRITE_PROGRESS_BYTES - 1, "aborted")])
async def test_a_client_that_takes_16_kib_of_its_answer_has_as_long_again(
    server: Server, taken: int, end: str | None
) -> None:
    server.app.may_answer.clear()
    connection, wire = server.connect()
    connection.data_received(GET)
    await turn()
    wire.unsent = 1_000_000
    connection.pause_writing()
    server.clock.pass_seconds(int(WRITE_SECONDS))
    wire.unsent -= taken
    server.clock.pass_seconds(int(WRITE_SECONDS))
    assert wire.end == end


async def test_an_answer_that_takes_long_to_make_is_waited_for(server: Server) -> None:
    server.app.may_answer.clear()
    connection, wire = server.connect()
    connection.data_received(GET)
    await turn()
    wire.unsent = 500  # a few bytes, while the application writes on
    server.clock.pass_seconds(600)
    assert wire.end is None
    server.app.may_answer.set()
    await turn()
    assert wire.written.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", ["before", "after"])
async def test_an_answer_without_an_end_is_ended_whenever_the_server_stops(server: Server, begun: str) -> None:
    server.app.may_answer.clear()
    connection, _ = server.connect()
    connection.data_received(GET)
    await turn()
    ends: list[str] = []
    steps: list[Callable[[], None]] = [
        connection.shutdown,
        lambda: end_on_shutdown(server.app.scopes[0], lambda: ends.append("ended")),
    ]
    for step in steps if begun == "after" else reversed(steps):
        assert ends == []
        step()
    assert ends == ["ended"]


async def test_a_closed_connection_leaves_no_timer_and_may_be_lost_twice(server: Server) -> None:
    connection, _ = server.connect()
    assert server.clock.waiting() == 1
    connection.connection_lost(None)
    connection.connection_lost(None)
    assert server.clock.waiting() == 0
    assert not server.state.connections


async def test_the_client_that_has_most_idle_connections_makes_room(
    server: Server, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "max_connections", lambda: ROOM + 4)
    _, polite = server.connect("10.0.0.9")
    flood = [server.connect("10.0.0.1") for _ in range(ROOM + 3)]
    assert reasons(logs) == []
    late, wire = server.connect("10.0.0.2")
    assert [wire.end for _, wire in flood].count("aborted") == ROOM
    assert (polite.end, wire.end) == (None, None)
    assert reasons(logs) == ["room_for_others"] * ROOM
    late.data_received(GET)
    await turn()
    assert wire.written.startswith(b"HTTP/1.1 200")


async def test_of_one_clients_idle_connections_those_go_that_have_waited_longest(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "max_connections", lambda: 3)
    monkeypatch.setattr(protocol, "ROOM", 1)
    wires = []
    for _ in range(3):
        wires.append(server.connect()[1])
        server.clock.now += 1
    server.connect()
    assert [wire.end for wire in wires] == ["aborted", None, None]


async def test_where_all_connections_have_requests_a_new_one_is_told_to_come_again(
    server: Server, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "max_connections", lambda: 2)
    server.app.may_answer.clear()
    busy = [server.connect() for _ in range(2)]
    for connection, _ in busy:
        connection.data_received(GET)
    await turn()
    refused, wire = server.connect()
    assert refusal(wire) == FULL
    assert b"retry-after: " in wire.written
    assert wire.end == "closed"
    refused.data_received(GET)
    assert [each.end for _, each in busy] == [None, None]
    assert reasons(logs) == ["too_many_connections"]
    assert len(server.app.scopes) == 2


async def test_the_client_that_leaves_most_unread_is_cut_when_all_leave_too_much(
    server: Server, logs: list[Any]
) -> None:
    connections = [server.connect() for _ in range(3)]
    for (_, wire), unsent in zip(connections, (10, MAX_UNSENT_BYTES // 2, MAX_UNSENT_BYTES // 2 - 10), strict=True):
        wire.unsent = unsent
    connections[0][0].pause_writing()
    assert [wire.end for _, wire in connections] == [None, None, None]
    connections[0][1].unsent += 1
    connections[0][0].pause_writing()
    assert [wire.end for _, wire in connections] == [None, "aborted", None]
    assert reasons(logs) == ["too_much_unread"]


async def test_a_peer_without_an_address_has_no_host(server: Server) -> None:
    assert server.connect(None)[0].host is None
    assert server.connect("10.0.0.1")[0].host == "10.0.0.1"


@pytest.mark.parametrize(
    ("files", "most"),
    [(resource.RLIM_INFINITY, 1_000), (65_536, 1_000), (1_224, 1_000), (1_223, 999), (226, 2), (224, 1), (64, 1)],
)
def test_a_process_has_as_many_connections_as_its_files_allow(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert max_connections() == most
