"""Headers that tell browsers to be strict. No CORS headers: other origins may not read the API."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dashboard_pages import DASHBOARD_CONTENT_POLICY
from api.middleware.scopes import is_dashboard
from api.openapi.docs_pages import DOCS_CONTENT_POLICY, is_docs_page

_NOTHING = "default-src 'none'; frame-ancestors 'none'"


def _headers(content_policy: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", content_policy.encode()),
    ]


API_HEADERS = _headers(_NOTHING)
_DOCS_HEADERS = _headers(DOCS_CONTENT_POLICY)
_DASHBOARD_HEADERS = _headers(DASHBOARD_CONTENT_POLICY)


class SecurityHeaders:
    """The layer that adds these headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers_for(scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _headers_for(path: str) -> list[tuple[bytes, bytes]]:
    if is_dashboard(path):
        return _DASHBOARD_HEADERS
    return _DOCS_HEADERS if is_docs_page(path) else API_HEADERS
