"""The way of a body from the wire to the route: how it is counted and timed, what it holds, and what is given back.

Parsing and budgets are in `test_reading.py`.
"""

import asyncio
import json
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from api.bodies import reading
from api.bodies.reading import (
    BESIDE_BYTES,
    LARGE_BYTES,
    MAX_BODY_BYTES,
    Budget,
    Lane,
    LargeBodies,
    ModelRequest,
    beside,
    pass_on,
)
from api.bodies.shapes import BodyForm
from api.errors import BodyTooLarge, RequestTimeout
from api.schemas.base import RequestModel
from domain.errors import InvalidRequest, Overloaded


class Thing(RequestModel):
    name: str


FORM = BodyForm(Thing)
ROOM = 4 * MAX_BODY_BYTES


class Wire:
    """Gives a request its body, part by part; after the last part it says nothing more."""

    def __init__(self, parts: Sequence[bytes], *, breaks: bool = False) -> None:
        self.left: list[Message] = [
            {"type": "http.request", "body": part, "more_body": breaks or number < len(parts) - 1}
            for number, part in enumerate(parts)
        ]
        if breaks:
            self.left.append({"type": "http.disconnect"})

    async def receive(self) -> Message:
        if not self.left:
            await asyncio.Event().wait()
        return self.left.pop(0)


class Server:
    """The large bodies of a process, with room for `room` bytes, and what a route was given."""

    def __init__(self, room: int = ROOM) -> None:
        self.arriving = Budget(room, wait_seconds=0.01)
        self.in_work = Budget(room, wait_seconds=0.01)
        self.app = FastAPI()
        lane = Lane(self.arriving, self.in_work)
        self.app.state.large_bodies = LargeBodies(ordinary=lane, oversize=lane)
        self.given: list[Any] = []
        self.bodies: list[bytes] = []
        self.during: list[tuple[int, int]] = []
        """The bytes that were held while the route ran: arriving, and in work."""
        self.error: Exception | None = None
        self._room = room

    async def take(
        self, wire: Wire, *, length: int | None = None, max_bytes: int = MAX_BODY_BYTES, form: BodyForm = FORM
    ) -> Response:
        request = Request({"type": "http", "headers": [], "app": self.app, "method": "POST"}, wire.receive)
        return await pass_on(self._handle, request, form=form, max_bytes=max_bytes, length=length)

    def held(self) -> tuple[int, int]:
        return self._room - self.arriving._free, self._room - self.in_work._free

    async def _handle(self, request: Request) -> Response:
        self.given.append(await request.json())
        self.bodies.append(await request.body())
        self.during.append(self.held())
        if self.error:
            raise self.error
        return Response(b"done")


@pytest.fixture
async def server() -> Server:
    return Server()


def body_of(size: int) -> bytes:
    """A sound body of so many bytes."""
    frame = len(b'{"name": ""}')
    return b'{"name": "' + b"x" * (size - frame) + b'"}'


def split(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("size", [100, LARGE_BYTES, LARGE_BYTES + 1, BESIDE_BYTES, BESIDE_BYTES + 1])
@pytest.mark.parametrize("is_told", [True, False], ids=["length told", "length not told"])
async def test_a_body_of_any_size_becomes_the_model_and_keeps_its_bytes(
    server: Server, size: int, is_told: bool
) -> None:
    body = body_of(size)
    answer = await server.take(Wire(split(body, 50_000)), length=size if is_told else None)
    assert answer.body == b"done"
    assert isinstance(server.given[0], Thing)
    assert server.bodies == [body]


async def test_a_small_body_takes_no_room(server: Server) -> None:
    await server.take(Wire([body_of(LARGE_BYTES)]), length=LARGE_BYTES)
    await server.take(Wire([body_of(LARGE_BYTES)]))
    assert server.during == [(0, 0), (0, 0)]


async def test_a_large_body_holds_its_length_until_it_is_answered(server: Server) -> None:
    size = LARGE_BYTES + 1
    await server.take(Wire([body_of(size)]), length=size)
    assert server.during == [(size, 0)]
    assert server.held() == (0, 0)


async def test_a_larger_one_holds_it_also_while_it_is_worked_on(server: Server) -> None:
    size = BESIDE_BYTES + 1
    await server.take(Wire([body_of(size)]), length=size)
    assert server.during == [(size, size)]
    assert server.held() == (0, 0)


async def test_one_of_unknown_length_holds_as_much_as_it_may_become(server: Server) -> None:
    await server.take(Wire(split(body_of(2 * LARGE_BYTES), 10_000)), max_bytes=300_000)
    assert server.during == [(300_000, 0)]


@pytest.mark.parametrize("reason", ["route fails", "not valid", "not JSON", "breaks off", "too large"])
async def test_what_a_body_held_is_given_back_whatever_becomes_of_it(server: Server, reason: str) -> None:
    size = BESIDE_BYTES + 1
    body = body_of(size)
    server.error = LookupError("bug") if reason == "route fails" else None
    if reason == "not valid":
        body = body.replace(b'"name"', b'"nmae"')
    if reason == "not JSON":
        body = body[:-1] + b"]"
    wire = Wire([body + b"x" * size if reason == "too large" else body], breaks=reason == "breaks off")
    with pytest.raises((LookupError, InvalidRequest, BodyTooLarge)):
        await server.take(wire, max_bytes=400_000)
    assert server.held() == (0, 0)


@pytest.mark.parametrize("length", [MAX_BODY_BYTES + 1, 10**15])
async def test_a_body_that_says_it_is_too_large_is_refused_unread(server: Server, length: int) -> None:
    wire = Wire([b"{"])
    with pytest.raises(BodyTooLarge, match=r"^The request body is larger than 2097152 bytes\.$"):
        await server.take(wire, length=length)
    assert len(wire.left) == 1


async def test_a_small_cap_holds_for_small_bodies_too(server: Server) -> None:
    with pytest.raises(BodyTooLarge):
        await server.take(Wire([body_of(101)]), length=101, max_bytes=100)
    with pytest.raises(BodyTooLarge):
        await server.take(Wire([body_of(101)]), max_bytes=100)
    await server.take(Wire([body_of(100)]), length=100, max_bytes=100)


async def test_a_body_that_is_longer_than_it_said_is_bounded_all_the_same(server: Server) -> None:
    with pytest.raises(BodyTooLarge):
        await server.take(Wire(split(body_of(300_000), 10_000)), length=LARGE_BYTES + 1, max_bytes=200_000)


@pytest.mark.parametrize("length", [500, None, LARGE_BYTES + 1])
async def test_a_client_that_goes_away_in_the_middle_is_no_fault_of_ours(server: Server, length: int | None) -> None:
    with pytest.raises(InvalidRequest, match=r"^The request ended before its body did\.$") as refused:
        await server.take(Wire([b'{"na'], breaks=True), length=length)
    assert refused.value.errors == (("body", "not whole"),)
    assert server.given == []


async def test_a_large_body_that_does_not_come_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ARRIVAL_SECONDS", -1.0)
    wire = Wire([b"{"])
    wire.left[0]["more_body"] = True
    with pytest.raises(RequestTimeout):
        await server.take(wire, length=LARGE_BYTES + 1)
    assert server.held() == (0, 0)


async def test_while_there_is_no_room_large_bodies_are_refused_and_small_ones_are_not(server: Server) -> None:
    async with server.arriving.hold(ROOM):
        with pytest.raises(Overloaded):
            await server.take(Wire([body_of(LARGE_BYTES + 1)]), length=LARGE_BYTES + 1)
        await server.take(Wire([body_of(100)]), length=100)
    assert len(server.given) == 1


async def test_a_body_that_has_arrived_and_finds_no_turn_gives_its_room_back(server: Server) -> None:
    async with server.in_work.hold(ROOM):
        with pytest.raises(Overloaded):
            await server.take(Wire([body_of(BESIDE_BYTES + 1)]), length=BESIDE_BYTES + 1)
        assert server.held()[0] == 0


async def test_the_server_is_not_kept_by_an_empty_part(server: Server) -> None:
    await server.take(Wire([b"", b'{"name":', b"", b'"a"}', b""]))
    assert server.given == [Thing(name="a")]


@pytest.mark.parametrize("body", [b"", b"null"])
async def test_no_body_and_null_are_none_as_fastapi_has_it(server: Server, body: bytes) -> None:
    await server.take(Wire([body]))
    assert server.given == [None]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "body: not valid JSON: Expecting property name enclosed in double quotes at character 1"),
        (b"{}{}", "body: not valid JSON: Extra data at character 2"),
        (b"\xff", "The request body is not valid JSON."),
        (b"[" * 100_000, "body: nested too deeply to be read"),
        (b"{}", "name: Field required"),
        (b'{"name": 5}', "name: Input should be a valid string"),
        (b'"s3cret"', "body: Input should be an object"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said_in_one_sentence_without_its_values(
    server: Server, body: bytes, detail: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await server.take(Wire([body]))
    assert refused.value.detail == detail
    assert refused.value.errors
    assert "s3cret" not in str(refused.value.errors)


async def test_the_same_is_said_of_a_body_that_is_worked_on_in_a_thread(server: Server) -> None:
    body = json.dumps({"name": "a", "more": "s3cret" * 60_000}).encode()
    with pytest.raises(InvalidRequest) as refused:
        await server.take(Wire([body]), length=len(body))
    assert refused.value.errors == (("more", "Extra inputs are not permitted"),)


def test_routes_with_a_larger_cap_have_a_lane_of_their_own() -> None:
    large = LargeBodies()
    assert large.lane(MAX_BODY_BYTES) is large.ordinary
    assert large.lane(100) is large.ordinary
    assert large.lane(MAX_BODY_BYTES + 1) is large.oversize
    large.thread.shutdown()


@pytest.mark.parametrize(("size", "is_beside"), [(BESIDE_BYTES, False), (BESIDE_BYTES + 1, True)])
async def test_work_on_a_large_body_is_done_beside_the_event_loop(server: Server, size: int, is_beside: bool) -> None:
    request = Request({"type": "http", "headers": [], "app": server.app})
    names: list[str] = []

    def work() -> str:
        names.append(threading.current_thread().name)
        return "made"

    assert await beside(ModelRequest(request, b"x" * size, model=None), work) == "made"
    assert names[0].startswith("bodies") is is_beside


async def test_an_error_of_work_beside_the_loop_is_raised_as_it_is(server: Server) -> None:
    def fail() -> None:
        raise InvalidRequest("Too large.")

    request = Request({"type": "http", "headers": [], "app": server.app})
    with pytest.raises(InvalidRequest, match="Too large"):
        await beside(ModelRequest(request, b"x" * (BESIDE_BYTES + 1), model=None), fail)


@pytest.mark.parametrize(("took", "rest"), [(0.02, None), (0.03, 0.03), (0.05, 0.05), (9.0, 0.05)])
def test_after_long_work_the_thread_rests_so_that_others_have_a_turn(
    monkeypatch: pytest.MonkeyPatch, took: float, rest: float | None
) -> None:
    rests: list[float] = []
    times = iter([0.0, took])
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: next(times), sleep=rests.append))
    assert reading._do_and_rest(lambda: 7) == 7
    assert rests == ([] if rest is None else [rest])
