"""Stands between routing and the route, and does what marks and breakers change about a request.

The guard stands around the whole route, its connection and transaction included: if the database freezes in the middle
of a request, the request is answered at once and the route is left to end by itself, for a frozen server may hold even
its cancellation. A submission is left only when the freeze lasts: a restart of Postgres delays it and refuses none.
"""

import asyncio
from contextlib import nullcontext
from math import ceil
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.declarations import Declared
from api.middleware.scopes import SIGHT
from api.resilience.breakers import Breakers
from api.resilience.last_answers import MAX_ANSWER_BYTES, LastAnswer, LastAnswers
from api.resilience.shared_answers import SharedAnswers, accepted_age
from domain.degradation import Access, Mark, Strategy, decide
from domain.health import DATABASE
from domain.sight import EVERYTHING, Sight
from services.resident.degradation import DegradationMarks, refusal

EXEMPT_TAGS = frozenset({"health", "resilience"})
"""Tags of routes that answer from memory and Redis, and must answer when nothing else does."""
SUBMIT_SECONDS = 10.0
"""How long a submission is tried on after the database's breaker has opened; as long as a group commit."""
WARNING = '110 celeriac "Response is Stale"'
_NODE_TAGS = frozenset({"workers", "dashboard", "queues"})

log = structlog.get_logger(__name__)


def access_of(declared: Declared, method: str, *, tag: str) -> Access | None:
    """Return what a request needs to a route that declared this; None where no mark matters."""
    if tag in EXEMPT_TAGS:
        return None
    if declared.access is not None:
        return declared.access
    if method != "GET":
        return Access.CONTROL if tag == "workers" else Access.WRITE
    return Access.READ_NODES if tag in _NODE_TAGS else Access.READ


class Guard:
    """The guard of all routes; one for each process, in `app.state.guard`."""

    def __init__(
        self,
        marks: DegradationMarks,
        breakers: Breakers,
        *,
        answers: LastAnswers,
        submit_seconds: float = SUBMIT_SECONDS,
    ) -> None:
        self._marks = marks
        self._breakers = breakers
        self._answers = answers
        self._shared = SharedAnswers()
        self._submit_seconds = submit_seconds
        self._left: set[asyncio.Future[None]] = set()

    async def pass_through(
        self, route: ASGIApp, scope: Scope, *, receive: Receive, send: Send, access: Access, caches: bool
    ) -> None:
        """Answer with the route's answer, the last good one, or ServiceDegraded. `caches`: its good answers
        are cached, and shared with who asks for the same at the same time."""
        await self._marks.fresh()
        mark = self._decide(access)
        if mark is None:
            max_age = accepted_age(scope) if caches else 0
            if max_age and (shared := await self._shared.find(_question(scope), max_age=max_age)):
                await _shared(shared)(scope, receive, send)
                return
            with self._shared.make(_question(scope)) if max_age else nullcontext() as made:
                sending = _Sending(send, caches=caches, tells_age=max_age > 0)
                if await self._finishes(route, scope, receive=receive, sending=sending, access=access):
                    if body := sending.good_body():
                        self._keep(scope, body, made=made)
                    return
            mark = self._decide(access)
        if mark is None or mark.strategy is Strategy.FAIL_FAST or not caches:
            raise refusal(mark or Mark(DATABASE, Strategy.FAIL_FAST, None))
        answer = await self._answers.find(_question(scope))
        if answer is None:
            raise refusal(mark)
        await _stale(answer)(scope, receive, send)

    def _keep(self, scope: Scope, body: bytes, *, made: "asyncio.Future[bytes | None] | None") -> None:
        self._answers.remember(_question(scope), body)
        if made:
            made.set_result(body)

    def _decide(self, access: Access) -> Mark | None:
        marks, failing = self._marks.current(), self._breakers.open_ones()
        return decide(access, marks, failing=failing) if marks or failing else None

    async def _finishes(
        self, route: ASGIApp, scope: Scope, *, receive: Receive, sending: "_Sending", access: Access
    ) -> bool:
        """Runs the route; False if the database's breaker opened before the route began to answer."""
        running = asyncio.ensure_future(route(scope, receive, sending))
        try:
            await asyncio.wait({running, self._breakers.opening(DATABASE)}, return_when=asyncio.FIRST_COMPLETED)
            if access is Access.SUBMIT and not running.done():
                await asyncio.wait({running}, timeout=self._submit_seconds)
        except asyncio.CancelledError:
            running.cancel()
            raise
        if not running.done() and not sending.has_begun:
            sending.is_left = True
            self._leave(running)
            return False
        await running
        return True

    def _leave(self, running: "asyncio.Future[None]") -> None:
        """Cancelled, not awaited; kept in sight until it has ended."""
        log.warning("request_left", part=DATABASE)
        self._left.add(running)
        running.add_done_callback(self._forget)
        running.cancel()

    def _forget(self, running: "asyncio.Future[None]") -> None:
        self._left.discard(running)
        if not running.cancelled() and (error := running.exception()):
            log.info("left_request_failed", error=type(error).__name__)


class _Sending:
    """Passes the answer on, and keeps a copy of one that is good and small. Who accepts an age is told 0: a browser
    that keeps answers would else repeat an older one's.
    """

    def __init__(self, send: Send, *, caches: bool, tells_age: bool) -> None:
        self._send = send
        self._caches = caches
        self._tells_age = tells_age
        self._body = bytearray()
        self.has_begun = False
        self.is_left = False

    async def __call__(self, message: Message) -> None:
        if self.is_left:
            return
        if message["type"] == "http.response.start":
            self.has_begun = True
            self._caches = self._caches and _is_good(message)
            if self._tells_age:
                message = {**message, "headers": [*message["headers"], (b"age", b"0")]}
        elif self._caches:
            self._body += message.get("body", b"")
            self._caches = len(self._body) <= MAX_ANSWER_BYTES
        await self._send(message)

    def good_body(self) -> bytes | None:
        """Return the whole body; None for an answer that is not cached."""
        return bytes(self._body) if self._caches and self.has_begun else None


def _is_good(start: Message) -> bool:
    content_type: bytes = dict(start["headers"]).get(b"content-type", b"")
    is_ok: bool = start["status"] == 200
    return is_ok and content_type.startswith(b"application/json")


def _question(scope: Scope) -> str:
    """Return the same for all spellings of one question by those who see the same. The path's end is no part of the
    query: NUL stands in neither."""
    query = sorted(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    sight: Sight = scope.get(SIGHT, EVERYTHING)
    return f"{scope['path']}\x00{urlencode(query)}" + (f"\x00{sight}" if sight.is_bounded else "")


def _shared(answer: LastAnswer) -> Response:
    """What says that it is at least as old as it is."""
    return Response(answer.body, headers={"Age": str(ceil(answer.age_seconds))}, media_type="application/json")


def _stale(answer: LastAnswer) -> Response:
    headers = {"Warning": WARNING, "Age": str(int(answer.age_seconds))}
    return Response(answer.body, headers=headers, media_type="application/json")
