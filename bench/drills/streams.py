"""Streams: what many of them cost the API, whether each is told everything, and how fast `up` stops while all are open.

The feed has 200 streams at 200 changes a second, one client among them never reads. The live stream is measured with
one page and with many: what is read for them is the same.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated
from urllib.parse import urlsplit

import psutil
import typer

from bench.drills.findings import DrillReport, Finding, Value, at_most, equal, present
from bench.processes import parts_of_up
from bench.report import JsonFile
from bench.stack import Stack, running_up, wait_until
from domain.feed import Change, ChangeType
from services.feed import tell
from store.engine import open_engine

FEED = "/api/v1/events/stream?types=task.*"
LIVE = "/api/v1/live/stream?topics=pulse,tasks,workers,alerts,queues,workflows"
CHANGE, PULSE, BYE = b"\nevent: task.completed\n", b"event: pulse\n", b"event: bye\n"
COMMITS_PER_SECOND = 10
SETTLE_SECONDS = 5.0
SHARE_OF_A_CORE = 25.0
STOP_SECONDS = 3.0
PATIENCE_SECONDS = 30.0


class Client:
    """One open stream, and how often each kind of frame has come over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.told = dict.fromkeys((CHANGE, PULSE, BYE), 0)
        self.is_over = False

    async def read(self) -> None:
        """Read to the end."""
        rest = b""
        while portion := await self._reader.read(2**16):
            text = rest + portion
            whole, _, rest = text.rpartition(b"\n\n")
            for kind in self.told:
                self.told[kind] += whole.count(kind)
        self.is_over = True

    def close(self) -> None:
        """Let the connection go."""
        self._writer.close()


@asynccontextmanager
async def following(url: str, path: str, *, count: int, reads: bool = True) -> AsyncIterator[Sequence[Client]]:
    """Open so many streams, and read them meanwhile unless told otherwise."""
    address = urlsplit(url)
    clients = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        clients.append(Client(reader, writer))
    reading = [asyncio.create_task(client.read()) for client in clients] if reads else []
    try:
        yield clients
    finally:
        for client in clients:
            client.close()
        for task in reading:
            task.cancel()


def main(
    streams: Annotated[int, typer.Option(min=2, max=200, help="How many of each kind are open.")] = 200,
    rate: Annotated[int, typer.Option(min=10, help="Changes a second.")] = 200,
    *,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long each is measured.")] = 10.0,
    json_file: JsonFile = None,
) -> None:
    """Measure what streams cost, and stop with all of them open."""
    with running_up() as stack:
        report = asyncio.run(measure(stack, streams, rate=rate, seconds=seconds))
    present(report, json_file)


async def measure(stack: Stack, streams: int, *, rate: int, seconds: float) -> DrillReport:
    """Take each measurement in turn, the stop last."""
    api = parts_of_up(stack.pid)["api"]
    await asyncio.sleep(SETTLE_SECONDS)
    measured: dict[str, Value] = {"% of a core at rest": await _share(api, asyncio.sleep(seconds), seconds=seconds)}
    for count in (1, 20, streams):
        async with following(stack.api_url, LIVE, count=count):
            await asyncio.sleep(1)
            share = await _share(api, asyncio.sleep(seconds), seconds=seconds)
            measured[f"% of a core with {count} open pages"] = share
    async with AsyncExitStack() as open_ones:
        clients = await open_ones.enter_async_context(following(stack.api_url, FEED, count=streams - 1))
        await open_ones.enter_async_context(following(stack.api_url, FEED, count=1, reads=False))
        share = await _share(api, _write(stack, int(rate * seconds), rate=rate), seconds=seconds)
        findings = [at_most(f"{streams} streams of {rate} changes a second", SHARE_OF_A_CORE, seen=share, unit=" %")]
        findings.append(await _complete(clients, int(rate * seconds)))
        pages = await open_ones.enter_async_context(following(stack.api_url, LIVE, count=streams))
        findings += await _stop(stack, [*clients, *pages])
    return DrillReport(title=f"{streams} streams of each kind", findings=findings, measured=measured)


async def _share(api: psutil.Process, work: Awaitable[None], *, seconds: float) -> float:
    """How many percent of a core the API uses while this is done."""
    before, begun = _used(api), time.monotonic()
    await work
    return 100 * (_used(api) - before) / max(seconds, time.monotonic() - begun)


def _used(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


async def _write(stack: Stack, count: int, *, rate: int) -> None:
    """Commit so many changes at this rate."""
    engine = open_engine(stack.servers.database_url, pool_size=1)
    portion, begun = rate // COMMITS_PER_SECOND, time.monotonic()
    for first in range(0, count, portion):
        changes = [
            Change(ChangeType.TASK_COMPLETED, str(number), "COMPLETED", "RUNNING", "shop.pay", "celery", {"attempt": 1})
            for number in range(first, min(count, first + portion))
        ]
        async with engine.begin() as connection:
            await tell(connection, changes)
        await asyncio.sleep(max(0.0, begun + (first + portion) / rate - time.monotonic()))
    await engine.dispose()


async def _complete(clients: Sequence[Client], expected: int) -> Finding:
    """Whether every client is told of every change, once."""
    await _until(lambda: all(client.told[CHANGE] >= expected for client in clients), "the last change")
    return equal("changes that each is told", {expected}, seen={client.told[CHANGE] for client in clients})


async def _stop(stack: Stack, clients: Sequence[Client]) -> list[Finding]:
    """Interrupt `up`, and see how long it takes and what the streams are told."""
    up, begun = psutil.Process(stack.pid), time.monotonic()
    up.send_signal(signal.SIGINT)
    await asyncio.to_thread(up.wait, PATIENCE_SECONDS)
    took = time.monotonic() - begun
    await _until(lambda: all(client.is_over for client in clients), "the end of the streams")
    return [
        at_most("`up` has stopped with all of them open, after", STOP_SECONDS, seen=took, unit=" s"),
        equal("streams that ended with `bye`", len(clients), seen=sum(client.told[BYE] for client in clients)),
    ]


async def _until(question: Callable[[], bool], what: str) -> None:
    """Wait for it; what is missing then is told by the finding."""
    with suppress(TimeoutError):
        await asyncio.to_thread(wait_until, question, what, seconds=PATIENCE_SECONDS)
