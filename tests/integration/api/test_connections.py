"""What a client may do to a connection: heads, bodies, answers and connections have bounds in size, time and number."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial

import httpx
import pytest

from api import protocol
from settings import Settings
from tests.integration.api.serving import serving
from tests.patience import wait_for

LIVE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: localhost\r\n"
SUBMIT = b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
TASK = b'{"task_name": "celeriac.echo"}'
PATIENCE_SECONDS = 30
"""A client of these tests waits no longer for an answer."""


@pytest.fixture
def address(settings: Settings) -> Iterator[tuple[str, int]]:
    with serving(settings) as url:
        parsed = httpx.URL(url)
        yield parsed.host, parsed.port or 0


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of the protocol, short."""
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.1)
    for name in ("HEAD_SECONDS", "BODY_GRACE_SECONDS", "LINGER_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(protocol, name, 0.5)


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE_SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """Until the server closes."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def ask(address: tuple[str, int], *parts: bytes) -> bytes:
    """All that is answered until the server closes the connection, which it must do by itself."""
    with connect(address) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_all(connection)


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and code of an answer in the one form of errors, which must be the only one on its connection."""
    head, _, text = answer.partition(b"\r\n\r\n")
    body = json.loads(text)
    assert body.keys() >= {"detail", "code", "request_id", "timestamp"}
    headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    assert headers[b"x-request-id"] == body["request_id"].encode()
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"connection"] == b"close"
    return int(head.split()[1]), body["code"]


def is_alive(address: tuple[str, int]) -> bool:
    return httpx.get(f"http://{address[0]}:{address[1]}/api/v1/health/live", timeout=PATIENCE_SECONDS).is_success


@pytest.mark.parametrize(
    "head",
    [
        LIVE + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        LIVE + b"X: " + b"x" * 2_000_000,
        LIVE + b"X: y\r\n" * 12_000 + b"\r\n",
        LIVE + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /api/v1/tasks?status=" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a/" * 40_000,
    ],
    ids=["long header", "endless header", "very many headers", "many headers", "long query", "endless path"],
)
def test_a_head_that_is_too_large_is_a_431(address: tuple[str, int], head: bytes) -> None:
    assert refusal(ask(address, head)) == (431, "HEAD_TOO_LARGE")
    assert is_alive(address)


def test_a_head_of_the_greatest_size_is_read_and_a_body_behind_it_does_not_count(address: tuple[str, int]) -> None:
    spare = protocol.MAX_HEAD_BYTES - 1_000
    long = b"X: " + b"x" * spare + b"\r\nConnection: close\r\n"
    assert ask(address, LIVE + long + b"\r\n").startswith(b"HTTP/1.1 200 ")
    task = json.dumps({"task_name": "celeriac.echo", "task_args": ["x" * 200_000]}).encode()
    answer = ask(address, SUBMIT + long + b"Content-Length: %d\r\n\r\n" % len(task) + task)
    assert answer.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    "text",
    [
        b"GET /api/v1/health/live\r\n\r\n",
        b"GET http://\x80/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT celeriac:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        LIVE + b"X : y\r\n\r\n",
        LIVE + b"X: a\nb\r\n\r\n",
        SUBMIT + b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n" + TASK + b"\r\n0\r\n\r\n",
        SUBMIT + b"Transfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n1e\r\n" + TASK + b"\r\n0\r\n\r\n",
        SUBMIT + b"Content-Length: 30\r\nContent-Length: 31\r\n\r\n" + TASK,
        SUBMIT + b"Content-Length: -30\r\n\r\n" + TASK,
        SUBMIT + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n" + TASK,
        SUBMIT + b"Transfer-Encoding: xchunked\r\n\r\n1e\r\n" + TASK + b"\r\n0\r\n\r\n",
        SUBMIT + b"Transfer-Encoding: chunked, identity\r\n\r\n1e\r\n" + TASK + b"\r\n0\r\n\r\n",
        SUBMIT + b"Transfer-Encoding: chunked\r\n\r\n0x1e\r\n" + TASK + b"\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_sound_http_is_a_400_in_the_form_of_errors(address: tuple[str, int], text: bytes) -> None:
    assert refusal(ask(address, text)) == (400, "VALIDATION_ERROR")
    assert is_alive(address)


@pytest.mark.usefixtures("_hasty")
def test_a_head_that_is_not_whole_in_time_is_a_408_and_silence_is_ended(address: tuple[str, int]) -> None:
    assert refusal(ask(address, LIVE)) == (408, "REQUEST_TIMEOUT")
    assert ask(address) == b""
    answered = ask(address, LIVE + b"\r\n", b"\r\n")
    assert answered.startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("length", [b"Content-Length: 30\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_does_not_go_on_is_a_408(address: tuple[str, int], length: bytes) -> None:
    assert refusal(ask(address, SUBMIT + length + b"\r\n", b"1")) == (408, "REQUEST_TIMEOUT")


@pytest.mark.usefixtures("_hasty")
def test_a_drip_is_no_progress(address: tuple[str, int]) -> None:
    """Each of these would go on for minutes: the bytes are there, but not the message."""
    for begin in (LIVE + b"X: ", SUBMIT + b"Content-Length: 100000\r\n\r\n"):
        with connect(address) as connection:
            connection.sendall(begin)
            connection.settimeout(0.05)
            assert refusal(wait_for(partial(_drip, connection))) == (408, "REQUEST_TIMEOUT")


def _drip(connection: socket.socket) -> bytes:
    try:
        connection.sendall(b"x")
        return connection.recv(65536)
    except TimeoutError:
        return b""


@pytest.mark.usefixtures("_hasty")
def test_a_body_that_nobody_wants_is_not_read_for_ever(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(SUBMIT.replace(b"/tasks", b"/nowhere") + b"Content-Length: 1000000\r\n\r\n")
        connection.settimeout(0.05)
        assert wait_for(lambda: _drip(connection)).startswith(b"HTTP/1.1 404 ")
        assert wait_for(lambda: _is_closed(connection))


def _is_closed(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_extensions_of_chunks_and_trailers_have_an_end(address: tuple[str, int]) -> None:
    for begin in (b"1;" + b"x" * 200_000, b"1\r\n{\r\n" + b"1;%s\r\n \r\n" % (b"x" * 1_000) * 200):
        chunked = SUBMIT + b"Transfer-Encoding: chunked\r\n\r\n"
        assert refusal(ask(address, chunked, begin)) == (400, "VALIDATION_ERROR")
    trailers = b"%x\r\n%s\r\n0\r\n" % (len(TASK), TASK) + b"X: y\r\n" * 20_000
    assert ask(address, chunked, trailers).count(b"HTTP/1.1") <= 1
    assert is_alive(address)


def test_trailers_are_no_headers(address: tuple[str, int]) -> None:
    """A proxy has judged the headers; what comes behind the body has passed it unseen."""
    chunked = SUBMIT + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    whole = chunked + b"%x\r\n%s\r\n0\r\nIdempotency-Key: the-same\r\n\r\n" % (len(TASK), TASK)
    answers = [ask(address, whole) for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 201 ") for answer in answers)
    assert not any(b"idempotent-replayed" in answer.lower() for answer in answers)


def test_an_upgrade_is_not_made_and_ends_the_connection(address: tuple[str, int]) -> None:
    answer = ask(address, LIVE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + b"\x81\x00" * 1_000)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_few_pipelined_requests_are_answered_and_a_flood_of_them_is_not(address: tuple[str, int]) -> None:
    last = LIVE + b"Connection: close\r\n\r\n"
    assert ask(address, (LIVE + b"\r\n") * 20 + last).count(b"HTTP/1.1 200 ") == 21
    answered = ask(address, (LIVE + b"\r\n") * 3_000 + last)
    assert answered.count(b"HTTP/1.1") == answered.count(b"HTTP/1.1 200 ") <= 2 * protocol.MAX_PIPELINED
    assert is_alive(address)


def test_garbage_behind_a_request_does_not_cost_it_its_answer(address: tuple[str, int]) -> None:
    answer = ask(address, SUBMIT + b"Content-Length: %d\r\n\r\n" % len(TASK) + TASK + b"\x00\x00\x00\x00\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_body_that_is_refused_unread_is_not_asked_for(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(SUBMIT + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_connections_have_a_bound_and_those_that_wait_make_room(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 20)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(60)]
        for connection in silent[::2]:
            with suppress(ConnectionError):  # it may have made room already
                connection.sendall(LIVE)
        assert is_alive(address)
        assert wait_for(lambda: _closed(silent) >= 40)


def _closed(connections: list[socket.socket]) -> int:
    closed = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            closed += connection.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            closed += 1
    return closed


def test_where_nobody_can_make_room_the_next_is_refused(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 3)
    with ExitStack() as stack:
        for _ in range(3):
            busy = stack.enter_context(connect(address))
            busy.sendall(SUBMIT + b"Content-Length: 30\r\nExpect: 100-continue\r\n\r\n")
            assert busy.recv(100).startswith(b"HTTP/1.1 100 ")
        answer = ask(address)
        assert refusal(answer) == (503, "OVERLOADED")
        assert b"retry-after" in answer.lower()


@pytest.mark.usefixtures("_hasty")
def test_an_answer_that_nobody_reads_is_dropped(address: tuple[str, int]) -> None:
    _leave_unread(address)


def test_answers_that_nobody_reads_have_a_bound_in_all(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_UNSENT_BYTES", 50_000)  # below that at which the server waits
    _leave_unread(address)


def _leave_unread(address: tuple[str, int]) -> None:
    """Asks for more than the system's buffers hold, reads nothing, and waits until the server has gone."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(address)
        ask_for_document = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.settimeout(0.2)

        def is_cut() -> bool:
            try:
                connection.sendall(ask_for_document)
            except TimeoutError:
                return False
            except ConnectionError:
                return True
            return False

        wait_for(is_cut)
    assert is_alive(address)
