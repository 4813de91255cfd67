"""Who makes a request: a key of `CELERIAC_API_KEYS`, a key of the table, somebody whom the issuer of tokens knows, a
browser in which one of these has signed in, or anybody where there is neither a key nor an issuer.

The principal goes into the ASGI scope; what he may do is asked by the route (`api/routing.py`). Only health needs no
key, for orchestrators have none. Metrics need one where `CELERIAC_METRICS_KEY` is set, and where others than this
machine may ask.
"""

import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from starlette.types import ASGIApp, Receive, Scope, Send

from api.client_key import note_key_hash
from api.errors import (
    Forbidden,
    LimitedKey,
    RateLimited,
    SessionOver,
    TooManyWrongKeys,
    Unauthenticated,
    error_response,
)
from api.middleware.client_address import ClientAddress
from api.middleware.failed_keys import FailedKeys
from api.middleware.rate_limit import WindowCounter, seconds_until
from api.middleware.scopes import METRICS_PATH, PRINCIPAL, header_of, is_open, signs_in
from api.middleware.session_cookie import SESSION_COOKIE, SESSION_ENDS, cookie_of
from api.middleware.sessions import Admitted, Sessions, admitted_person
from domain.api_keys import ApiKey, digest_of, id_within, is_whole
from domain.errors import CeleriacError, DatabaseUnavailable
from domain.oidc import looks_like_token
from domain.origins import is_loopback_host
from domain.principals import ALL_SCOPES, LOCAL, Principal, PrincipalKind
from domain.scopes import Scope as Permission
from domain.secrets import READ_ONLY_SUFFIX
from services.resident.issuer import Issuer, TokenRefused
from services.resident.key_ring import HeldKey, KeyRing

AUTHENTICATION = "celeriac.authentication"
"""The place where a scope has the `Authentication` that it came through."""


class Authentication:
    """Puts the principal into the scope or refuses; where there is no key at all it lets all pass. `metrics_key` opens
    `/metrics` alone, as any key does.

    `host`: where we listen. On loopback `/metrics` needs no key unless it has one of its own. `issuer`: whose tokens
    are believed; with one, everybody has to show something.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Sequence[str],
        *,
        ring: KeyRing,
        host: str,
        address: ClientAddress,
        metrics_key: str | None = None,
        issuer: Issuer | None = None,
    ) -> None:
        self._app = app
        self._is_loopback = is_loopback_host(host)
        self._metrics_key = metrics_key.encode() if metrics_key else None
        self._keys = [_env_key(key, number) for number, key in enumerate(keys, start=1)]
        self._ring = ring
        self._address = address
        self._failed = FailedKeys()
        self._issuer = issuer
        rules = issuer.rules if issuer else None
        self._sessions = Sessions(ring, env_keys=self._keys, rules=rules, hold_to_limits=self._hold_to_limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[AUTHENTICATION] = self
        try:
            await self.admit(scope)
        except CeleriacError as refusal:
            if isinstance(refusal, (Unauthenticated, TooManyWrongKeys)) and not _is_page_without_key(scope):
                self._ring.turned_away.add(datetime.now(UTC), source=self.address_of(scope))
            response = error_response(refusal, scope)
            if isinstance(refusal, SessionOver):
                response.headers.append("Set-Cookie", SESSION_ENDS)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def admit(self, scope: Scope) -> None:
        """Puts the principal into the scope, or raises why there is none."""
        if scope["path"] == METRICS_PATH:
            await self._admit_to_metrics(scope)
        elif is_open(scope) or signs_in(scope):
            return
        elif not await self._is_closed():
            scope[PRINCIPAL] = LOCAL
        else:
            await self._identify(scope)

    @property
    def has_keys(self) -> bool:
        """Whether there may be a key that opens: one of the settings, or one that was ever made."""
        return bool(self._keys) or self._ring.is_closed is not False

    async def _admit_to_metrics(self, scope: Scope) -> None:
        if self._metrics_key is None and (self._is_loopback or not await self._is_closed()):
            return
        if self._metrics_key is not None and hmac.compare_digest(self._metrics_key, _bearer(scope).encode("latin-1")):
            return
        await self._identify(scope)
        principal: Principal = scope[PRINCIPAL]
        if principal.limits:
            raise LimitedKey

    async def _is_closed(self) -> bool:
        """Whether a key is needed; raises DatabaseUnavailable while nobody can say."""
        if self._keys or self._issuer or self._ring.is_closed:
            return True
        if self._ring.is_closed is None:
            await self._ring.look_again()
        if self._ring.is_closed is None:
            raise DatabaseUnavailable
        return self._ring.is_closed

    async def _identify(self, scope: Scope) -> None:
        if sent := _bearer(scope):
            is_token = self._issuer is not None and looks_like_token(sent)
            admitted = await (self._check_token(sent, scope) if is_token else self.check_key(sent, scope))
        elif text := cookie_of(scope, SESSION_COOKIE):
            admitted = await self._check_session(text, scope)
        else:
            raise Unauthenticated
        scope[PRINCIPAL] = admitted.principal
        note_key_hash(scope, admitted.identity)

    async def check_key(self, sent: str, scope: Scope) -> Admitted:
        """Return whom this key lets in; raises why it does not."""
        key_id = id_within(sent)
        held = await self._find(sent, key_id, scope=scope) if key_id else None
        if held is not None:
            await self._hold_to_limits(held, scope)
            return Admitted(held.principal, held.identity)
        key = sent.encode("latin-1")
        principal = self._find_env_key(key)
        if principal is None:
            raise self.failure(scope, Unauthenticated("This API key opens nothing."))
        return Admitted(principal, sha256(key).digest(), env_key=key)

    async def _check_token(self, sent: str, scope: Scope) -> Admitted:
        assert self._issuer is not None
        rules = self._issuer.rules
        try:
            if rules.audience is None:
                raise TokenRefused("is not accepted here: CELERIAC_OIDC_AUDIENCE is not set")
            person = await self._issuer.verify(sent, audience=rules.audience)
        except TokenRefused as refused:
            raise self.failure(scope, Unauthenticated(f"This token {refused}.")) from None
        scopes = rules.scopes_of(person.values)
        return admitted_person(person.subject, person.name, scopes=scopes, issuer=rules.issuer)

    async def _check_session(self, text: str, scope: Scope) -> Admitted:
        session = self._sessions.find(text)
        if session is None and not self._failed.wait_seconds(self._address.of(scope)):
            session = await self._sessions.look_for(text)
            if session is None and not self._ring.is_trusted:
                raise DatabaseUnavailable
        if session is None:
            raise self.failure(scope, SessionOver())
        return await self._sessions.admit(session, text, scope=scope)

    async def _find(self, sent: str, key_id: str, *, scope: Scope) -> HeldKey | None:
        """The key that was sent; None for what is none."""
        digest = digest_of(sent)
        if (held := self._matching(key_id, digest)) is not None:
            return held
        # It may have been made or rotated a moment ago. Garbage was not, and who guesses is not looked for.
        if not is_whole(sent):
            return None
        if self._failed.wait_seconds(self._address.of(scope)):
            raise self.failure(scope)
        await self._ring.look_again()
        if not self._ring.is_trusted:
            raise DatabaseUnavailable
        return self._matching(key_id, digest)

    def _matching(self, key_id: str, digest: bytes) -> HeldKey | None:
        held = self._ring.find(key_id) if self._ring.is_trusted else None
        return held if held is not None and held.key.matches(digest, datetime.now(UTC)) else None

    async def _hold_to_limits(self, held: HeldKey, scope: Scope) -> None:
        """Raises Unauthenticated for a key that opens nothing now, Forbidden or RateLimited where it does not here."""
        key = held.key
        if flaw := key.flaw(datetime.now(UTC)):
            raise Unauthenticated(f"This API key {flaw}.")
        if held.networks:
            address = self._address.exact(scope)
            if address is None or not any(address in network for network in held.networks):
                raise Forbidden("This API key may not be used from this address.")
        if key.rate_limit_per_minute:
            await _count(key, key.rate_limit_per_minute, scope=scope)
        now = time.time()
        if int(now) // 60 > held.noted_minute:
            self._ring.note_use(held, now, source=self.address_of(scope))

    def _find_env_key(self, sent: bytes) -> Principal | None:
        """Compares with all, so that time tells nothing; a key that is given for both may do everything."""
        found = [principal for key, principal in self._keys if hmac.compare_digest(key, sent)]
        return max(found, key=lambda principal: len(principal.scopes)) if found else None

    def failure(self, scope: Scope, reason: Unauthenticated | None = None) -> CeleriacError:
        """Return why what was shown opens nothing; it is counted for its address."""
        address = self._address.of(scope)
        wait_seconds = self._failed.wait_seconds(address)
        if wait_seconds:
            return TooManyWrongKeys(retry_after_seconds=wait_seconds)
        self._failed.add(address)
        return reason or Unauthenticated()

    def address_of(self, scope: Scope) -> str:
        """Return from where somebody signs in, as it is shown to administrators."""
        return str(self._address.exact(scope) or "unknown")


async def ask_again(scope: Scope) -> Principal:
    """Return who made this request, as one that came now would be let in; raises why it would not."""
    authentication: Authentication = scope[AUTHENTICATION]
    again = dict(scope)
    await authentication.admit(again)
    principal: Principal = again[PRINCIPAL]
    return principal


async def _count(key: ApiKey, limit: int, *, scope: Scope) -> None:
    """Raises RateLimited beyond what the key may, counted for all processes together as addresses are."""
    counter: WindowCounter = scope["app"].state.resources.request_counter
    count, reset = await counter.count(f"key-{key.key_id}")
    if count > limit:
        raise RateLimited(
            "Too many requests with this API key; try again later.", retry_after_seconds=seconds_until(reset)
        )


def _env_key(given: str, number: int) -> tuple[bytes, Principal]:
    key = given.removesuffix(READ_ONLY_SUFFIX)
    scopes = ALL_SCOPES if key == given else frozenset({Permission.READ})
    return key.encode(), Principal(PrincipalKind.ENV_KEY, str(number), f"CELERIAC_API_KEYS {number}", scopes)


def _is_page_without_key(scope: Scope) -> bool:
    """Whether a page of ours asks, in a browser where nobody is signed in: that is how it learns it."""
    return header_of(scope, b"sec-fetch-site") == "same-origin" and not _bearer(scope)


def _bearer(scope: Scope) -> str:
    """The key that was sent, or nothing. A header that came twice is none: a proxy may have believed the other."""
    scheme, _, sent = header_of(scope, b"authorization").partition(" ")
    return sent.strip() if scheme.lower() == "bearer" else ""
