"""Bearer keys (`CELERIAC_API_KEYS`): all may do everything, those that end in `:read` may only read.

Only health needs no key, for orchestrators have none. Metrics need one where `CELERIAC_METRICS_KEY` is set, and where
others than this machine may ask.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from starlette.types import ASGIApp, Receive, Scope, Send

from api.client_key import note_key_hash
from api.errors import Forbidden, Unauthenticated, error_response
from api.middleware.scopes import METRICS_PATH, header_of, is_open
from domain.errors import CeleriacError
from domain.networks import is_loopback_address
from domain.origins import LOCALHOST

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_READ_ONLY_SUFFIX = ":read"


class Authentication:
    """Refuses requests without a key; with no `keys` it lets all pass. `metrics_key` opens `/metrics` alone, as any key
    does.

    `host`: where we listen. On loopback `/metrics` needs no key unless it has one of its own.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str], *, host: str, metrics_key: str | None = None) -> None:
        self._app = app
        self._are_metrics_open = metrics_key is None and (not keys or _is_loopback(host))
        self._metrics_key = metrics_key.encode() if metrics_key else None
        self._keys = [
            (key.removesuffix(_READ_ONLY_SUFFIX).encode(), not key.endswith(_READ_ONLY_SUFFIX)) for key in keys
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal:
            await error_response(refusal, scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> CeleriacError | None:
        if scope["path"] == METRICS_PATH:
            return self._refusal_of_metrics(scope)
        if is_open(scope) or not self._keys:
            return None
        sent = _bearer(scope)
        may_write = self._find(sent)
        if may_write is None:
            return Unauthenticated()
        note_key_hash(scope, sha256(sent).digest())
        return None if may_write or scope["method"] in _READING_METHODS else Forbidden()

    def _refusal_of_metrics(self, scope: Scope) -> CeleriacError | None:
        if self._are_metrics_open:
            return None
        sent = _bearer(scope)
        is_own = self._metrics_key is not None and hmac.compare_digest(self._metrics_key, sent)
        return None if is_own or self._find(sent) is not None else Unauthenticated()

    def _find(self, candidate: bytes) -> bool | None:
        """Whether the key may write; None if it is not a key. Compares with all, so that time tells nothing."""
        if not candidate:
            return None
        matches = [may_write for key, may_write in self._keys if hmac.compare_digest(key, candidate)]
        return any(matches) if matches else None


def _is_loopback(host: str) -> bool:
    """Whether an address or a name is surely this machine's alone."""
    return host == LOCALHOST or is_loopback_address(host)


def _bearer(scope: Scope) -> bytes:
    """The key that was sent, or nothing. A header that came twice is none: a proxy may have believed the other."""
    scheme, _, sent = header_of(scope, b"authorization").partition(" ")
    return sent.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
