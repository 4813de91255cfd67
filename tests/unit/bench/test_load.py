import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.load import load, load_evenly, request


@contextmanager
def server(answer: bytes, *, after_seconds: float = 0) -> Iterator[str]:
    """The URL of a server on loopback that gives every request this answer; with an empty one it hangs up."""

    async def answer_late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_seconds)
        writer.write(answer)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(len(BODY)) == BODY
                if not answer:
                    break
                await answer_late(writer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass  # the client has what it wanted
        writer.close()

    async def serve() -> None:
        listening = await asyncio.start_server(handle, "127.0.0.1", 0)
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        started.append((listening.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(stopping.set)))
        ready.set()
        await stopping.wait()
        listening.close()
        await listening.wait_closed()

    started: list[tuple[int, object]] = []
    ready = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    port, stop = started[0]
    try:
        yield f"http://127.0.0.1:{port}/tasks"
    finally:
        assert callable(stop)
        stop()
        thread.join(10)


BODY = b'{"task_name": "celeriac.add"}'


def test_a_post_is_a_whole_request() -> None:
    assert request("http://127.0.0.1:80/a?b=c", b"{}") == (
        b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_connections_are_dealt_out_to_every_server() -> None:
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
    with server(answer) as one, server(b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n") as other:
        assert load_evenly([one, one], BODY, connections=2, seconds=0.2).count > 0
        with pytest.raises(RuntimeError, match="503"):
            load_evenly([one, other], BODY, connections=2, seconds=0.2)
        assert load_evenly([one, other], BODY, connections=1, seconds=0.2).count > 0


def test_every_answer_is_counted_and_timed() -> None:
    with server(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}") as url:
        turn = load(url, BODY, connections=3, seconds=0.2)

    assert turn.count == len(turn.latencies) > 0
    assert turn.seconds > 0.199
    assert all(0 < latency <= turn.seconds for latency in turn.latencies)


def test_a_turn_in_which_nothing_was_answered_lasts_until_something_is() -> None:
    with server(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", after_seconds=0.3) as url:
        turn = load(url, BODY, connections=1, seconds=0.01)

    assert turn.count == 1
    assert turn.seconds >= turn.latencies[0] >= 0.3


def test_a_refusal_is_an_error_and_no_result() -> None:
    with (
        server(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n") as url,
        pytest.raises(RuntimeError, match=r"refused: \d+ x 429"),
    ):
        load(url, BODY, connections=2, seconds=0.1)


def test_a_server_that_hangs_up_is_an_error() -> None:
    with server(b"") as url, pytest.raises(ConnectionResetError, match="in the middle of the turn"):
        load(url, BODY, connections=1, seconds=0.5)
