"""The issuer of tokens, as one process knows it: its keys, kept for a time, and what they prove of a token.

A token is checked without asking anybody. The keys are read anew every hour, and when a token names one that is not
known; at most once a minute, whatever strangers send. While the issuer is away, the keys of the last 24 hours hold.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from domain.errors import IssuerUnavailable
from domain.oidc import OidcRules, Person
from gateway.oidc import Endpoints, IssuerServer

ALGORITHMS = ("RS256", "ES256", "EdDSA")
KEY_TYPES = ("RSA", "EC", "OKP")
LEEWAY_SECONDS = 60
"""How far the clocks of the issuer and ours may be apart."""
FRESH_SECONDS = 3_600.0
KEPT_SECONDS = 86_400.0
PAUSE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 5.0
"""The pause while there is no key at all."""
MAX_KEYS = 100
SHORTEST_MODULUS = 342
"""Characters of the modulus of an RSA key of 2,048 bits, in base64url."""

_BAD_TOKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)

log = structlog.get_logger(__name__)


class TokenRefused(Exception):
    """A token that proves nothing; the text says why, as the end of a sentence, and holds nothing of it."""


class _Registry(JWSRegistry):
    """Knows our algorithms and no other, whatever joserfc recommends or warns of."""

    max_header_length = 4_096

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of the issuer."""

    endpoints: Endpoints
    keys: dict[str | None, Key]
    """The keys by their ids; the last without one under None."""
    count: int
    read_at: float


class Issuer:
    """`await Issuer(rules, server).verify(token, audience="celeriac")`."""

    def __init__(self, rules: OidcRules, server: IssuerServer) -> None:
        self.rules = rules
        self.server = server
        self._known: _Known | None = None
        self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def verify(self, token: str, *, audience: str, nonce: str | None = None) -> Person:
        """Return whom the token names.

        Raises TokenRefused unless it is the issuer's, whole, for this audience, valid now and, where a nonce is given,
        made for that sign-in. Raises IssuerUnavailable where nobody can say.
        """
        key = await self._key_of(_header(token))
        try:
            claims = jwt.decode(token, key, registry=_REGISTRY).claims
            self._expected(audience).validate(claims)
        except ExpiredTokenError:
            raise TokenRefused("has expired") from None
        except _BAD_TOKEN:
            raise TokenRefused("is not valid here") from None
        if nonce is not None:
            _refuse_for_another(claims, audience, nonce=nonce)
        person = self.rules.person(claims)
        if person is None:
            raise TokenRefused("names nobody")
        return person

    async def endpoints(self) -> Endpoints:
        """Return where its parts are; raises IssuerUnavailable."""
        if self._age > FRESH_SECONDS:
            await self._read()
        return self._usable().endpoints

    def _expected(self, audience: str) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.rules.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def _key_of(self, header: dict[str, Any]) -> Key:
        kid = header.get("kid")
        is_urgent = self._age > KEPT_SECONDS or self._found(kid) is None
        if is_urgent or (self._age > FRESH_SECONDS and not self._reading.locked()):
            await self._read()
        self._usable()
        key = self._found(kid)
        if key is None:
            raise TokenRefused("names a key that its issuer does not have")
        return key

    def _found(self, kid: str | None) -> Key | None:
        """The key of this id; for a token that names none, the only one that there is."""
        if self._known is None:
            return None
        if kid is None and self._known.count == 1:
            return next(iter(self._known.keys.values()))
        return self._known.keys.get(kid) if kid is not None else None

    @property
    def _age(self) -> float:
        """The seconds since what is known was read."""
        return float("inf") if self._known is None else time.monotonic() - self._known.read_at

    def _usable(self) -> _Known:
        if self._known is None or self._age > KEPT_SECONDS:
            raise IssuerUnavailable
        return self._known

    async def _read(self) -> None:
        """Read the keys, unless that was tried a short time ago; what was read before stays if it fails."""
        async with self._reading:
            pause = PAUSE_SECONDS if self._known else FIRST_PAUSE_SECONDS
            if time.monotonic() - self._tried_at < pause:
                return
            self._tried_at = time.monotonic()
            try:
                endpoints = await self.server.discover()
                listed = await self.server.fetch_keys(endpoints)
            except IssuerUnavailable as error:
                log.warning("issuer_not_read", reason=error.detail)
                return
            keys = list(_usable_keys(listed))
            self._known = _Known(endpoints, dict(keys), len(keys), self._tried_at)


def _header(token: str) -> dict[str, Any]:
    """The header of a token of an algorithm that is allowed: any other is refused before a key is looked for."""
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
        _REGISTRY.check_header(header)
        _REGISTRY.get_alg(header["alg"])
    except _BAD_TOKEN:
        raise TokenRefused("is not signed as tokens are here") from None
    return header


def _refuse_for_another(claims: dict[str, Any], audience: str, *, nonce: str) -> None:
    """Raises TokenRefused for a token of another sign-in, or of another client that may name us beside itself."""
    if claims.get("nonce") != nonce:
        raise TokenRefused("was made for another sign-in")
    if claims.get("azp", audience) != audience:
        raise TokenRefused("was made for another client")


def _usable_keys(listed: Iterable[Any]) -> Iterator[tuple[str | None, Key]]:
    """The keys that signatures can be checked with. A shared secret is none of them, whatever the issuer lists."""
    for data in list(listed)[:MAX_KEYS]:
        if not isinstance(data, dict) or data.get("kty") not in KEY_TYPES or data.get("use", "sig") != "sig":
            continue
        if data["kty"] == "RSA" and len(str(data.get("n"))) < SHORTEST_MODULUS:
            continue
        try:
            key = import_key(data)
        except _BAD_TOKEN:
            continue
        yield key.kid, key
