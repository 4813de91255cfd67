"""Bytes to the API and its answers, whatever the bytes are: no HTTP client would send what is sent here."""

import asyncio
import time
from dataclasses import dataclass, field

import httptools

OPEN_SECONDS = 10.0
READ_BYTES = 256 * 1024
KEPT_BYTES = 512 * 1024
"""Bytes of an answer's body that are stored; the rest is read and dropped. Errors are far shorter."""


@dataclass(slots=True)
class Answer:
    """What came back; `status` is None where nothing did."""

    seconds: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    """Whether the answer came to its end."""
    timed_out: bool = False
    """Neither an answer nor an end of the connection in time."""


class _Parser:
    """Callbacks of httptools; a `100 Continue` is no answer."""

    def __init__(self, answer: Answer, *, head_only: bool) -> None:
        self._answer = answer
        self._head_only = head_only
        self._parser = httptools.HttpResponseParser(self)
        self.keeps_alive = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()
        if self._head_only and self._answer.status >= 200:
            self._answer.whole = True

    def on_body(self, data: bytes) -> None:
        if len(self._answer.body) < KEPT_BYTES:
            self._answer.body += data

    def on_message_complete(self) -> None:
        if self._answer.status is not None and self._answer.status < 200:
            self._answer.status = None
            self._answer.headers.clear()
        else:
            self._answer.whole = True


class Connection:
    """A connection, opened when it is needed and kept for as long as both sides want; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes, *, within: float, alone: bool = False, head_only: bool = False) -> Answer:
        """Send the bytes and return the answer. `alone`: on a connection of its own, for what may leave it
        in disorder."""
        if alone:
            await self.close()
        reused = self._writer is not None
        answer = await self._try(raw, within, head_only=head_only)
        if reused and answer.status is None and not answer.timed_out:
            # The server may have closed it while it was idle.
            answer = await self._try(raw, within, head_only=head_only)
        if alone:
            await self.close()
        return answer

    async def _try(self, raw: bytes, within: float, *, head_only: bool) -> Answer:
        answer = Answer()
        started = time.perf_counter()
        keeps = False
        try:
            async with asyncio.timeout(within):
                keeps = await self._exchange(raw, answer, head_only=head_only)
        except TimeoutError:
            answer.timed_out = not answer.whole
        except (OSError, httptools.HttpParserError):
            pass  # hung up, or no HTTP: what there is of an answer tells
        answer.seconds = time.perf_counter() - started
        if not keeps or not answer.whole or head_only:
            await self.close()
        return answer

    async def close(self) -> None:
        """Close the connection, if one is open."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()

    async def _exchange(self, raw: bytes, answer: Answer, *, head_only: bool) -> bool:
        """Writes and reads at once: a refusal may come long before the end of the body. Whether it stays open."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection(self._host, self._port, limit=READ_BYTES), OPEN_SECONDS
            )
        assert self._reader is not None
        sending = asyncio.create_task(self._send(raw))
        parser = _Parser(answer, head_only=head_only)
        try:
            while not answer.whole:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    return False
                parser.feed(data)
            return parser.keeps_alive and sending.done()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, raw: bytes) -> None:
        assert self._writer is not None
        self._writer.write(raw)
        await self._writer.drain()
