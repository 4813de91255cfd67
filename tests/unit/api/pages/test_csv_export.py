import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from starlette.types import Message

from api.pages.csv_export import CHUNK_LINES, CsvResponse, csv_response
from store.queries.tasks.lines import CELLS

HEAD = ",".join(CELLS).encode()


class Impatient(CsvResponse):
    chunk_seconds = 0.05


class TooLate(CsvResponse):
    export_seconds = -1.0


async def test_a_client_that_stops_reading_is_not_waited_for() -> None:
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
        await Impatient(lines())({"type": "http"}, receive, send)


async def made_of(*lines: bytes) -> AsyncGenerator[bytes]:
    for line in lines:
        yield line


async def sent(response: CsvResponse, *, leaves: bool = False) -> list[Message]:
    """What a client is sent that reads all of it, or has left before the first line."""
    messages: list[Message] = []
    never = asyncio.Event()

    async def receive() -> Message:
        if not leaves:
            await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)
        await asyncio.sleep(0)

    await response({"type": "http"}, receive, send)
    return messages


def text_of(messages: list[Message]) -> list[bytes]:
    return b"".join(message.get("body", b"") for message in messages).split(b"\r\n")


async def test_an_export_of_nothing_is_its_head() -> None:
    messages = await sent(await csv_response(made_of()))
    assert text_of(messages) == [HEAD, b""]


async def test_an_export_is_a_file_whose_lines_stand_behind_its_head() -> None:
    start, *_, end = messages = await sent(await csv_response(made_of(b"a,1", b"b,2")))
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (200, b"text/csv; charset=utf-8")
    assert headers[b"content-disposition"].startswith(b'attachment; filename="tasks-')
    assert text_of(messages) == [HEAD, b"a,1", b"b,2", b""]
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_long_export_comes_in_chunks_without_a_line_missing() -> None:
    lines = [b"%d" % number for number in range(2 * CHUNK_LINES + 1)]
    messages = await sent(await csv_response(made_of(*lines)))
    assert text_of(messages) == [HEAD, *lines, b""]
    assert len(messages) == 5


async def test_a_client_that_has_left_is_sent_no_end_so_that_the_file_is_not_whole() -> None:
    lines = [b"%d" % number for number in range(4 * CHUNK_LINES)]
    messages = await sent(await csv_response(made_of(*lines)), leaves=True)
    assert messages[-1].get("more_body") is not False
    assert len(text_of(messages)) < len(lines)


async def test_an_export_that_takes_too_long_is_broken_off() -> None:
    with pytest.raises(TimeoutError):
        await sent(TooLate(made_of(b"a")))


async def test_what_fails_before_the_first_line_is_no_file() -> None:
    async def lines() -> AsyncGenerator[bytes]:
        raise LookupError("no such filter")
        yield b""

    with pytest.raises(LookupError):
        await csv_response(lines())
