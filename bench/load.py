"""The load generator: N keep-alive connections that each send the next request when the last is answered.

A raw HTTP/1.1 client on uvloop and httptools, because a client library would be slower than the servers it measures.
"""

import asyncio
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote, urlsplit

import httptools
import uvloop

from bench.figures import Turn

LATE_SECONDS = 120.0
"""How long after the end of a turn a last answer is waited for; only a machine that does much else takes as long."""


@dataclass(slots=True)
class _Tally:
    begun_at: float
    ends_at: float
    latencies: list[float] = field(default_factory=list)
    refusals: Counter[int] = field(default_factory=Counter)


def request(url: str, body: bytes | None, *, lines: str = "") -> bytes:
    """Return a whole POST of JSON, or a GET where there is no body; a login in the URL goes with it. `lines` of its
    head end with CRLF each.
    """
    address = urlsplit(url)
    login, _, host = address.netloc.rpartition("@")
    target = f"{address.path}?{address.query}" if address.query else address.path
    head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}"
    if login:
        head += f"Authorization: Basic {b64encode(unquote(login).encode()).decode()}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def load(url: str, body: bytes | None, *, connections: int, seconds: float, lines: str = "") -> Turn:
    """POST the body to the URL, or GET it, for so long, and longer where nothing was answered by then: until one is.

    Raises RuntimeError if anything but a 2xx comes back.
    """
    return load_evenly([url], body, connections=connections, seconds=seconds, lines=lines)


def load_evenly(urls: Sequence[str], body: bytes | None, *, connections: int, seconds: float, lines: str = "") -> Turn:
    """Load several servers with the connections dealt out to them, as a load balancer does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        requests = [(url, request(url, body, lines=lines)) for url in urls]
        return runner.run(_load([requests[nth % len(urls)] for nth in range(connections)], seconds=seconds))


async def _load(requests: Sequence[tuple[str, bytes]], *, seconds: float) -> Turn:
    """One connection for each."""
    now = time.perf_counter()
    tally = _Tally(begun_at=now, ends_at=now + seconds)
    opened = [await _connect(url, asked, tally=tally) for url, asked in requests]
    async with asyncio.timeout(seconds + LATE_SECONDS):
        await asyncio.gather(*(connection.closed for connection in opened))
    if tally.refusals:
        raise RuntimeError(
            f"{urlsplit(requests[0][0]).path} refused: "
            + ", ".join(f"{n} x {status}" for status, n in tally.refusals.items())
        )
    return Turn(len(tally.latencies), tally.ends_at - tally.begun_at, tuple(tally.latencies))


async def _connect(url: str, asked: bytes, *, tally: _Tally) -> "_Connection":
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: _Connection(asked, tally), host, port)
    return connection


class _Connection(asyncio.Protocol):
    """Requests in a row; answers after the end of the turn do not count."""

    def __init__(self, request: bytes, tally: _Tally) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._tally = tally
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """httptools calls this at the end of each answer."""
        now = time.perf_counter()
        status = self._parser.get_status_code()
        if not 200 <= status < 300:
            self._tally.refusals[status] += 1
        if not self._tally.latencies:
            self._tally.ends_at = max(self._tally.ends_at, now)
        if now <= self._tally.ends_at:
            self._tally.latencies.append(now - self._sent_at)
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._tally.ends_at:
            exc = exc or ConnectionResetError("the server closed a connection in the middle of the turn")
        if exc:
            self.closed.set_exception(exc)
        else:
            self.closed.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)
