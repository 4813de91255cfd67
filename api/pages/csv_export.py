"""Tasks, or rows of the audit, as CSV, sent while they are read: a header, then a line for each."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import cast

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from store.queries.tasks.lines import CELLS

CSV_FILE = {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}}
"""The response as the OpenAPI document declares it."""
CHUNK_LINES = 200
"""Lines in a chunk: half a millisecond of work, after which other requests have their turn."""
CHUNK_SECONDS = 30.0
"""How long a client may take to read the next chunk: it holds one of few connections."""
EXPORT_SECONDS = 1200.0


class CsvResponse(StreamingResponse):
    """A file sent while it is made. A client that stops reading is left: the connection closes and the file is not
    whole.

    Starlette's own would cancel the task, in the middle of a query; this looks between two chunks.
    """

    media_type = "text/csv"
    chunk_seconds = CHUNK_SECONDS
    export_seconds = EXPORT_SECONDS

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(self.listen_for_disconnect(receive), name="export-client")
        try:
            async with aclosing(cast(AsyncGenerator[bytes], self.body_iterator)) as chunks:
                await self._send_until(leaving, chunks, send=send)
        finally:
            leaving.cancel()

    async def _send_until(self, leaving: asyncio.Task[None], chunks: AsyncIterator[bytes], *, send: Send) -> None:
        deadline = time.monotonic() + self.export_seconds
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in chunks:
            if leaving.done():
                return
            if time.monotonic() > deadline:
                raise TimeoutError
            async with asyncio.timeout(self.chunk_seconds):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def csv_response(
    lines: AsyncGenerator[bytes], *, columns: Iterable[str] = CELLS, name: str = "tasks"
) -> CsvResponse:
    """Return the file once its first line is there: what fails before is still an answer of its own."""
    first = await anext(lines, None)
    filename = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"
    chunks = _chunks(",".join(columns).encode(), first, rest=lines)
    return CsvResponse(chunks, headers={"Content-Disposition": f'attachment; filename="{filename}"'})


async def _chunks(head: bytes, first: bytes | None, *, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        chunk = [head] if first is None else [head, first]
        async for line in rest:
            chunk.append(line)
            if len(chunk) >= CHUNK_LINES:
                yield _text(chunk)
                chunk = []
        if chunk:
            yield _text(chunk)


def _text(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n"
