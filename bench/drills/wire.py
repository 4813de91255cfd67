"""A wire between clients and a server that can go dead: what is connected then stays connected and carries nothing."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from cli.embedded.files import LOOPBACK

CHUNK = 64 * 1024
Result = TypeVar("Result")


class Wire:
    """Forwards connections on a free port of loopback to the server of a URL."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._pumps: set[asyncio.Task[None]] = set()
        self._dead: list[asyncio.StreamWriter] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, LOOPBACK, 0))

    def through(self, url: str) -> str:
        """Return the same URL by way of the wire."""
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{LOOPBACK}:{port}"))

    def cut(self) -> int:
        """Let no byte pass any more on what is connected now, without telling either side; new connections are sound.

        Returns how many connections that are.
        """
        return self._run(self._cut())

    def close(self) -> None:
        """Close every connection, dead ones too."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.close()
            return
        pumps = {asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))}
        self._pumps |= pumps
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        if any(pump.cancelled() for pump in pumps):
            self._dead += [writer, far_writer]
            return
        self._pumps -= pumps
        for end in (writer, far_writer):
            end.close()

    async def _cut(self) -> int:
        cut, self._pumps = self._pumps, set()
        for pump in cut:
            pump.cancel()
        await asyncio.gather(*cut, return_exceptions=True)
        return len(cut) // 2

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        for end in self._dead:
            end.close()


@contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    """Open a wire to the server of this URL for the block."""
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
