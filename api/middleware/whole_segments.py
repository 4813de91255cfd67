"""Ids with a `/` in a path: one segment from the client's `%2F` to the route's parameter.

A server hands on the path decoded, in which an id's `/` looks like any other, and no route would match. Here a path
with such an id is given to the router with `/` and `%` still encoded inside its segments; `decode_segments` is the way
back, for parameters. Every other path stays as it was.
"""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_ENCODED = "celeriac_encoded_segments"
"""The key that stands in the scope of such a request."""


class WholeSegments:
    """The layer around everything that looks at a path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http" and _SLASH.search(scope.get("raw_path") or b""):
            scope["path"] = "/".join(map(_kept_whole, scope["raw_path"].split(b"/")))
            scope[_ENCODED] = True
        await self._app(scope, receive, send)


def decode_segments(scope: Scope) -> None:
    """Give the parameters of a matched route as the client meant them."""
    if scope.get(_ENCODED):
        scope["path_params"] = {
            name: _decoded(value) if isinstance(value, str) else value for name, value in scope["path_params"].items()
        }


def _kept_whole(segment: bytes) -> str:
    return unquote(segment.decode("ascii", "replace")).replace("%", "%25").replace("/", "%2F")


def _decoded(segment: str) -> str:
    return segment.replace("%2F", "/").replace("%25", "%")
