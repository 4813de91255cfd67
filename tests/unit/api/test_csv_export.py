import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from api.pages import csv_export
from api.pages.csv_export import CsvResponse


async def test_a_client_that_stops_reading_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_export, "CHUNK_SECONDS", 0.05)
    never = asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        yield b"task_id\r\n"

    async def receive() -> Message:
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await never.wait()

    with pytest.raises(TimeoutError):
        await CsvResponse(lines())({"type": "http"}, receive, send)
