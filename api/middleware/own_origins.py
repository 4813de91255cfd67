"""Refuses what a browser was made to send by a page of others, and what was sent to a name that is not ours.

Outside of keys and of the rate limit, for every route and both kinds of connection. The rules are in
`domain/origins.py`. They cost a program's request 3 us and a page's 12, measured on a busy machine.
"""

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from api.errors import Forbidden, UnknownHost, error_response
from domain.errors import CeleriacError, InvalidRequest
from domain.origins import OriginRefusal, OwnOrigins

POLICY_VIOLATION = 1008
"""The close code of a refused WebSocket; before one is accepted, servers answer it with a plain 403."""


class OwnOriginsOnly:
    """The layer that refuses what `domain/origins.py` calls foreign."""

    def __init__(self, app: ASGIApp, own: OwnOrigins) -> None:
        self._app = app
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._own.refusal(scope.get("method", "GET"), scope["headers"])
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await error_response(_error(refusal), scope)(scope, receive, send)
        else:
            await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)


def _error(refusal: OriginRefusal) -> CeleriacError:
    match refusal:
        case OriginRefusal.MALFORMED:
            reason = "Host is not one host, or a header that says where a request comes from is sent twice."
            return InvalidRequest(reason, errors=(("host", "not one host"),))
        case OriginRefusal.UNKNOWN_HOST:
            return UnknownHost()
        case OriginRefusal.FOREIGN_PAGE:
            return Forbidden(
                "A page of another site sent this; if it is yours, name its host in CELERIAC_ALLOWED_HOSTS."
            )
