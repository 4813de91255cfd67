"""What the API does for those who look: its processor time with open streams, and with whole pages while tasks run."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from bench.dashboard.chromium import opened
from bench.dashboard.first_load import VERDICT
from bench.dashboard.fleet import Fleet
from bench.load import request
from bench.processes import parts_of_up, since, spent_by
from bench.steady import tell_steadily

SETTLED_SECONDS = 3.0
STREAM = "/api/v1/live/stream?topics=pulse,tasks,workers,alerts,queues,workflows"


@dataclass(frozen=True, slots=True)
class Served:
    """What the API used for so many who looked."""

    pages: int
    rate: float
    """Tasks a second that were stored meanwhile."""
    percent: float
    """Percent of a core."""


def serve_streams(fleet: Fleet, *, streams: int, seconds: float, rate: int = 0) -> Served:
    """Hold so many streams open, of which nobody follows the hints."""
    with ExitStack() as stack:
        for _ in range(streams):
            stack.enter_context(_streaming(fleet.stack.api_url))
        time.sleep(min(SETTLED_SECONDS, seconds))
        return _while(fleet, pages=streams, rate=rate, seconds=seconds)


def serve_pages(browser: Browser, fleet: Fleet, *, pages: int, rates: tuple[int, ...], seconds: float) -> list[Served]:
    """Show the Overview in so many browsers, at each of these rates."""
    with ExitStack() as stack:
        for _ in range(pages):
            it = stack.enter_context(opened(browser))
            it.page.goto(f"{fleet.ui}/")
            it.page.locator(VERDICT).wait_for()
        time.sleep(min(SETTLED_SECONDS, seconds))
        return [_while(fleet, pages=pages, rate=rate, seconds=seconds) for rate in rates]


def _while(fleet: Fleet, *, pages: int, rate: int, seconds: float) -> Served:
    """Tell the mirror of tasks at this rate; what a machine does not carry takes longer."""
    parts = parts_of_up(fleet.stack.pid)
    api = {"api": parts["api"]}
    before, begun = spent_by(api), time.perf_counter()
    if rate:
        tell_steadily(fleet.stack.servers, parts, rate=rate, seconds=seconds)
    else:
        time.sleep(seconds)
    taken = time.perf_counter() - begun
    used = sum(since(before, spent_by(api)).values())
    return Served(pages, rate * seconds / taken, used / taken * 100)


@contextmanager
def _streaming(url: str) -> Iterator[None]:
    """Ask for a stream, and leave what it tells with the kernel: a minute of it fits there."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 80)) as opened_socket:
        opened_socket.sendall(request(f"{url}{STREAM}", None))
        opened_socket.recv(64)
        yield
