"""Bodies of requests: read within bounds, parsed, and turned into the route's model.

Large ones are few at a time, by their bytes, and worked on in a thread: the event loop goes on beside them. What holds
the interpreter itself, as Python's JSON parser does, is bounded by the number of values instead: a million take it some
0.1 s. Ordinary bodies and those of routes with a larger cap have budgets of their own, so neither waits for the other.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from api.bodies.shapes import BODY, BodyForm
from api.errors import BodyTooLarge, RequestTimeout
from domain.errors import InvalidRequest, Overloaded

MIB = 1024 * 1024
MAX_BODY_BYTES = 2 * MIB
LARGE_BYTES = 64 * 1024
"""Bodies beyond this count while they arrive, and their values are counted before they are parsed."""
BESIDE_BYTES = 256 * 1024
"""Bodies beyond this are worked on in a thread. 256 KiB take 16 ms at worst; in a thread, with its rests, batches of
1,000 ordinary tasks (90 KiB) came at half their rate.
"""
MAX_VALUES = 2_000_000
"""JSON values and keys in one body: 16 MiB of numbers of 8 characters. They take 250 MB of memory at worst."""
ARRIVAL_SECONDS = 10.0
ARRIVAL_BYTES_A_SECOND = 256 * 1024
"""A large body keeps others from coming in, so it has 10 s and one more for each of these; 16 MiB have 74 s."""
MAX_WAITING = 64
WAIT_SECONDS = 10.0
"""How long a large body may wait before it is let in."""
WORK_WAIT_SECONDS = 30.0
"""How long a large body that has arrived may wait to be worked on: a batch of 16 MiB takes PostgreSQL some 2 s."""
MAX_REST_SECONDS = 0.05
RESTLESS_SECONDS = 0.02
"""Work that took no longer has not kept the event loop waiting, and is followed by no rest."""

_OPENERS_AND_SEPARATORS = (b",", b":", b"[", b"{")
# A text is one match however long it is. One without an end goes to the end of the body: looking for it again behind
# each of its quotes would take hours.
_TOKEN = re.compile(rb'[,:\[{]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)

# 16 MiB of numbers of 4,300 digits, the most that Python reads, are 2 s of arithmetic in one go.
_LONG_NUMBER = re.compile(rb"[0-9]{500}")

Result = TypeVar("Result")


class Budget:
    """A number of bytes that all holders share; whoever finds none left waits in line, and not for long."""

    def __init__(self, total: int, *, max_waiting: int = MAX_WAITING, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free = total
        self._max_waiting = max_waiting
        self._wait_seconds = wait_seconds
        self._line: deque[_Turn] = deque()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes for the block. Raises Overloaded if the line is long or does not move."""
        await self._take(size)
        try:
            yield
        finally:
            self._free += size
            self._hand_out()

    async def _take(self, size: int) -> None:
        if not self._line and size <= self._free:
            self._free -= size
            return
        if len(self._line) >= self._max_waiting:
            raise Overloaded
        turn = _Turn(size, asyncio.get_running_loop().create_future())
        self._line.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn.has_come
        except TimeoutError:
            self._leave(turn)
            raise Overloaded from None
        except asyncio.CancelledError:
            self._leave(turn)
            raise

    def _leave(self, turn: "_Turn") -> None:
        if turn in self._line:
            self._line.remove(turn)
        else:
            self._free += turn.size  # its turn had just come
        self._hand_out()

    def _hand_out(self) -> None:
        while self._line and self._line[0].size <= self._free:
            turn = self._line.popleft()
            self._free -= turn.size
            if not turn.has_come.done():
                turn.has_come.set_result(None)


@dataclass(eq=False, slots=True)
class _Turn:
    size: int
    has_come: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Lane:
    """The large bodies of some routes: how many bytes may be on their way, and how many in work until the answer."""

    arriving: Budget
    in_work: Budget


def _lane(*, arriving: int, in_work: int) -> Lane:
    return Lane(Budget(arriving), Budget(in_work, wait_seconds=WORK_WAIT_SECONDS))


@dataclass(frozen=True, slots=True)
class LargeBodies:
    """The lanes of large bodies; one for each process, in `app.state.large_bodies`."""

    ordinary: Lane = field(default_factory=lambda: _lane(arriving=32 * MIB, in_work=8 * MIB))
    oversize: Lane = field(default_factory=lambda: _lane(arriving=128 * MIB, in_work=16 * MIB))
    # Python runs one thread at a time: with more of them the event loop would only wait for more.
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="bodies"))

    def lane(self, max_bytes: int) -> Lane:
        """Return the lane of a route with this cap: a larger one than usual has a lane of its own."""
        return self.ordinary if max_bytes <= MAX_BODY_BYTES else self.oversize


class ModelRequest(Request):
    """A request whose `json()`, for which FastAPI asks, is the valid model, so that FastAPI has nothing to do."""

    def __init__(self, request: Request, body: bytes, *, model: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        self._model = model
        self.is_large = len(body) > BESIDE_BYTES

    async def json(self) -> Any:
        """Return the valid model, which FastAPI takes for parsed JSON."""
        return self._model


async def pass_on(
    handle: Callable[[Request], Awaitable[Response]],
    request: Request,
    *,
    form: BodyForm,
    max_bytes: int,
    length: int | None,
) -> Response:
    """Answer the request with `handle`, its body read and valid; `length` is what its head says, if it does.

    What a large body holds is given back when the answer is there. Raises InvalidRequest, BodyTooLarge,
    RequestTimeout, Overloaded.
    """
    if length is not None and length <= min(LARGE_BYTES, max_bytes):
        body = await _read_small(request)
        return await handle(ModelRequest(request, body, model=_to_model(body, form)))
    large: LargeBodies = request.app.state.large_bodies
    lane = large.lane(max_bytes)
    async with AsyncExitStack() as stack:
        body = await _read(request, lane, stack=stack, max_bytes=max_bytes, length=length)
        if len(body) > BESIDE_BYTES:
            await stack.enter_async_context(lane.in_work.hold(len(body)))
            model = await _in_thread(request, partial(_to_model, body, form))
        else:
            model = _to_model(body, form)
        return await handle(ModelRequest(request, body, model=model))


async def beside(request: Request, work: Callable[[], Result]) -> Result:
    """Return what `work` makes of the body: in a thread if the body is large, so that the event loop goes on."""
    return await _in_thread(request, work) if isinstance(request, ModelRequest) and request.is_large else work()


async def _in_thread(request: Request, work: Callable[[], Result]) -> Result:
    large: LargeBodies = request.app.state.large_bodies
    return await asyncio.get_running_loop().run_in_executor(large.thread, _do_and_rest, work)


def _do_and_rest(work: Callable[[], Result]) -> Result:
    """A parser keeps the interpreter for 0.1 s: without a rest the event loop has one turn between two bodies."""
    started = time.monotonic()
    try:
        return work()
    finally:
        seconds = time.monotonic() - started
        if seconds > RESTLESS_SECONDS:
            time.sleep(min(seconds, MAX_REST_SECONDS))


async def _read_small(request: Request) -> bytes:
    """A body of known length: the server reads no more of it, and has its own clock."""
    body = b""
    while True:
        chunk, is_last = await _receive(request)
        body += chunk
        if is_last:
            return body


async def _read(request: Request, lane: Lane, *, stack: AsyncExitStack, max_bytes: int, length: int | None) -> bytes:
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    body = bytearray()
    is_large, is_last = False, False
    try:
        async with asyncio.timeout(None) as timer:
            while not is_last:
                if not is_large and max(len(body), length or 0) > LARGE_BYTES:
                    is_large = True
                    await stack.enter_async_context(lane.arriving.hold(length or max_bytes))
                    seconds = ARRIVAL_SECONDS + (length or max_bytes) / ARRIVAL_BYTES_A_SECOND
                    timer.reschedule(asyncio.get_running_loop().time() + seconds)
                chunk, is_last = await _receive(request)
                body += chunk
                if len(body) > max_bytes:
                    raise too_large(max_bytes)
    except TimeoutError:
        raise RequestTimeout from None
    return bytes(body)


async def _receive(request: Request) -> tuple[bytes, bool]:
    """The next part of the body, and whether it is the last."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise InvalidRequest("The request ended before its body did.", errors=((BODY, "not whole"),))
    return message.get("body", b""), not message.get("more_body", False)


def too_large(max_bytes: int) -> BodyTooLarge:
    """Return the error for a body beyond this cap."""
    return BodyTooLarge(f"The request body is larger than {max_bytes} bytes.")


def _to_model(body: bytes, form: BodyForm) -> Any:
    value = _parse(body) if body else None
    # FastAPI knows what it means that there is none.
    return None if value is None else form.validate(value)


def _parse(body: bytes) -> Any:
    if len(body) > LARGE_BYTES:
        _refuse_too_many_values(body)
    try:
        is_slow = len(body) > BESIDE_BYTES and _LONG_NUMBER.search(body)
        return json.loads(body, parse_int=_parse_int) if is_slow else json.loads(body)
    except json.JSONDecodeError as error:
        raise InvalidRequest.of_field(BODY, f"not valid JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise InvalidRequest.of_field(BODY, "nested too deeply to be read") from None
    except ValueError:
        raise InvalidRequest("The request body is not valid JSON.", errors=((BODY, "not valid JSON"),)) from None


def _parse_int(digits: str) -> int:
    """Parse a number as the parser itself does, but others may run between two numbers."""
    return int(digits)


def _refuse_too_many_values(body: bytes) -> None:
    """Raises InvalidRequest, before anything is made of them. Each value but the first has an opener or separator."""
    if sum(map(body.count, _OPENERS_AND_SEPARATORS)) <= MAX_VALUES:
        return
    # Texts may be full of commas, and are looked over; in other encodings than UTF-8 nobody can tell where they end.
    if json.detect_encoding(body) in ("utf-8", "utf-8-sig") and _has_few_tokens(body):
        return
    message = f"holds more than {MAX_VALUES:,} JSON values"
    raise InvalidRequest(f"The request body {message}.", errors=((BODY, message),))


def _has_few_tokens(body: bytes) -> bool:
    """Tell whether its tokens are few. No byte of a longer UTF-8 character looks like a quote; others run between
    tokens.
    """
    left = MAX_VALUES
    for token in _TOKEN.finditer(body):
        left -= token.end() - token.start() == 1  # a text is longer
        if left < 0:
            return False
    return True
