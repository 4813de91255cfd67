"""Receivers of webhooks for a drill: on loopback, in a thread with a loop of its own; they note what came when."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Self

_OK = b"HTTP/1.1 204 x\r\n\r\n"
_NO = b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"


class Receivers:
    """`with Receivers(10) as receivers`: each has a port; `came` has the times at which each id came, by receiver."""

    def __init__(self, count: int) -> None:
        self.ports = [0] * count
        self.came: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(count)]
        self.hangs = [False] * count
        """Whether it answers nothing at all."""
        self.refuses: Callable[[str], bool] = lambda _id: False
        """Tells whether an id is answered with 500."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def clear(self) -> None:
        """Forget what came."""
        for came in self.came:
            came.clear()

    def count(self) -> int:
        """Return how many different ids came, over all receivers."""
        return sum(map(len, self.came))

    def url(self, number: int) -> str:
        """Return where one of them is."""
        return f"http://127.0.0.1:{self.ports[number]}/hook"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        for number in range(len(self.ports)):

            def make(this: int = number) -> asyncio.Protocol:
                return _Connection(self, this)

            server = await self._loop.create_server(make, "127.0.0.1", 0)
            self.ports[number] = server.sockets[0].getsockname()[1]


class _Connection(asyncio.Protocol):
    """One connection: requests one after another, each answered as soon as it is whole."""

    def __init__(self, receivers: Receivers, number: int) -> None:
        self._receivers = receivers
        self._number = number
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = dict(line.lower().split(b": ", 1) for line in self._data[:end].split(b"\r\n")[1:])
            length = end + 4 + int(head[b"content-length"])
            if len(self._data) < length:
                return
            self._data = self._data[length:]
            self._answer(head[b"webhook-id"].decode())

    def _answer(self, event_id: str) -> None:
        self._receivers.came[self._number][event_id].append(time.time())
        if not self._receivers.hangs[self._number]:
            self._transport.write(_NO if self._receivers.refuses(event_id) else _OK)
