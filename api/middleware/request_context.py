"""The outermost layer: request id, one log line and one count for each request, and a 500 for what nobody expected."""

import re
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from uuid_utils import uuid7

from api.dashboard_pages import build_of_page
from api.errors import InternalError, error_response
from api.health.metrics import Metrics
from api.middleware.scopes import BUILD_HEADER, header_of, is_open
from api.protocol import ON_SHUTDOWN

_SANE_ID = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?")

log = structlog.get_logger(__name__)


class RequestContext:
    """Echoes a sane `X-Request-ID` or makes one; it is in `scope["request_id"]`, every log line and every response."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        # Not `bound_contextvars`, which looks through all that is bound: 5 % of a submission.
        bound = bind_contextvars(request_id=request_id)
        try:
            await self._answer(scope, receive, send=send)
        finally:
            reset_contextvars(**bound)

    async def _answer(self, scope: Scope, receive: Receive, *, send: Send) -> None:
        started = answered = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter()
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = scope["request_id"]
                headers[BUILD_HEADER] = build_of_page()
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request_failed", route=_route(scope))
            if status:
                # Half an answer is out: only closing the connection tells the client that it is not whole.
                raise
            await error_response(InternalError(), scope)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            # A stream lasts as long as its client likes: what counts is how soon it began.
            counted = answered - started if ON_SHUTDOWN in scope else seconds
            self._metrics.observe_request(scope["method"], _route(scope), status=status, seconds=counted)
            _log_finished(scope, status, duration_ms=round(seconds * 1000, 2))


def _log_finished(scope: Scope, status: int, *, duration_ms: float) -> None:
    # Orchestrators ask for health every few seconds: at info that would be most of the log.
    write = log.debug if is_open(scope) else log.info
    write(
        "request_finished",
        method=scope["method"],
        route=_route(scope),
        status=status,
        duration_ms=duration_ms,
        # The one that a submission was given; never what a client typed.
        task_id=scope.get("task_id"),
    )


def _request_id(scope: Scope) -> str:
    sent = header_of(scope, b"x-request-id")
    return sent if _SANE_ID.fullmatch(sent) else str(uuid7())


def _route(scope: Scope) -> str | None:
    """The route's template, never the path: paths hold what clients typed."""
    return getattr(scope.get("route"), "path", None)
