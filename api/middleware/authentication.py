"""Bearer keys (`CELERIAC_API_KEYS`): all may do everything, those that end in `:read` may only read.

Only health and metrics need no key, for orchestrators have none.
"""

import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Forbidden, Unauthenticated, error_response
from api.middleware.scopes import header_of, is_open
from domain.errors import CeleriacError

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_READ_ONLY_SUFFIX = ":read"


class Authentication:
    """Without keys there is no authentication."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [
            (key.removesuffix(_READ_ONLY_SUFFIX).encode(), not key.endswith(_READ_ONLY_SUFFIX)) for key in keys
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if self._keys and scope["type"] == "http" else None
        if refusal:
            await error_response(refusal, scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> CeleriacError | None:
        if is_open(scope):
            return None
        scheme, _, sent = header_of(scope, b"authorization").partition(" ")
        may_write = self._find(sent.strip()) if scheme.lower() == "bearer" else None
        if may_write is None:
            return Unauthenticated()
        return None if may_write or scope["method"] in _READING_METHODS else Forbidden()

    def _find(self, sent: str) -> bool | None:
        """Whether the key may write; None if it is not a key. Compares with all, so that time tells nothing."""
        candidate = sent.encode("latin-1")
        found = [may_write for key, may_write in self._keys if hmac.compare_digest(key, candidate)]
        return any(found) if found else None
