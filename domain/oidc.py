"""Tokens of an OpenID Connect issuer: how one looks, whom it names, and which scopes its claims are worth.

Who gets in is decided by equality alone: a value of a claim is worth what the setting says of exactly that value. The
signature and the dates of a token are checked where its issuer's keys are (`services/resident/issuer.py`).
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from domain.json_values import segments_of
from domain.origins import is_loopback_host
from domain.scopes import Scope

BEGINNING = "eyJ"
"""The beginning of every signed token: `{"` in base64url."""
MAX_TOKEN = 16_384
"""Characters of a token; the head of a request has room for no more."""
MAX_ID = 255
"""Characters of a subject, as OpenID Connect bounds it."""
MAX_NAME = 100
MAX_VALUES = 100
"""The most values of the claim that scopes can be given to."""
VERIFIED = {"email": "email_verified"}
"""Claims that count only where another claim of the same token is true."""
NAMES = ("name", "preferred_username", "email")
"""The claims that a person is shown by; the first that there is."""

_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token names."""

    subject: str
    name: str
    values: tuple[str, ...]
    """The values of the claim that scopes are given to, and no others."""


@dataclass(frozen=True, slots=True)
class OidcRules:
    """Whose tokens are believed, and what they are worth."""

    issuer: str
    audience: str | None
    """The audience that a bearer token must have; where none is said, no such token is believed."""
    client_id: str | None
    """The client as which we sign people in; None where we do not."""
    claim: str
    """The name of a claim, or a JSON pointer such as `/realm_access/roles`."""
    scopes: Mapping[str, frozenset[Scope]]

    def person(self, claims: Mapping[str, Any]) -> Person | None:
        """Return whom the claims name; None where they name nobody that could be recorded."""
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_ID or not subject.isprintable():
            return None
        named = (claims.get(name) for name in NAMES)
        name = next((each for each in named if isinstance(each, str) and each and each.isprintable()), subject)
        values = sorted(self.scopes.keys() & self._values(claims))
        return Person(subject, name[:MAX_NAME], tuple(values))

    def scopes_of(self, values: tuple[str, ...]) -> frozenset[Scope]:
        """Return what these values of the claim are worth together."""
        return frozenset[Scope]().union(*(self.scopes.get(value, frozenset()) for value in values))

    @property
    def rules_everybody(self) -> bool:
        """Whether somebody may make, change and revoke keys."""
        return any(Scope.ADMIN in scopes for scopes in self.scopes.values())

    def _values(self, claims: Mapping[str, Any]) -> set[str]:
        """The texts of the claim. `scope` alone holds several in one text, parted by spaces (RFC 8693)."""
        if self.claim in VERIFIED and claims.get(VERIFIED[self.claim]) is not True:
            return set()
        found: Any = claims
        for segment in _segments(self.claim):
            found = found.get(segment) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            return set(found.split(" ")) if self.claim == "scope" else {found}
        return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def looks_like_token(text: str) -> bool:
    """Whether this has the form of a signed token, which no key has: three parts of base64url."""
    parts = text.split(".", 3)
    return (
        len(parts) == 3
        and len(text) <= MAX_TOKEN
        and text.startswith(BEGINNING)
        and all(map(_CHARACTERS.issuperset, parts))
    )


def rules_of(
    issuer: str | None, audience: str | None, *, client_id: str | None, claim: str, scopes: Mapping[str, Any]
) -> OidcRules | None:
    """Return the rules that these settings make; None without an issuer. Raises ValueError for half of them."""
    if issuer is None:
        given = {"AUDIENCE": audience, "CLIENT_ID": client_id, "SCOPES": scopes}
        for name in (name for name, value in given.items() if value):
            raise ValueError(f"CELERIAC_OIDC_{name} is set, and CELERIAC_OIDC_ISSUER is not")
        return None
    if not scopes:
        raise ValueError("CELERIAC_OIDC_ISSUER needs CELERIAC_OIDC_SCOPES, which say what its people may do")
    if not (audience or client_id):
        raise ValueError("CELERIAC_OIDC_ISSUER needs CELERIAC_OIDC_AUDIENCE, CELERIAC_OIDC_CLIENT_ID or both")
    return OidcRules(issuer, audience, client_id, claim, _parsed(scopes))


def checked_issuer(url: str) -> str:
    """Return it; raises ValueError unless an issuer can be there: https, or http on this machine, and no query."""
    if not is_safe(url) or any(mark in url for mark in "?#@"):
        raise ValueError("must be https://..., or http://... on loopback, without a user, ? and #")
    return url


def checked_public_url(url: str) -> str:
    """Return it; raises ValueError unless it is `https://host` or `http://host`, with or without a port."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or url != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("must be such as https://celeriac.example.com, without a path")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user")
    return url


def is_safe(url: object) -> bool:
    """Whether nobody on the way can change what is read there: https, or http that does not leave this machine."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host))


def _segments(claim: str) -> list[str]:
    return list(segments_of(claim)) if claim.startswith("/") else [claim]


def _parsed(given: Mapping[str, Any]) -> dict[str, frozenset[Scope]]:
    if len(given) > MAX_VALUES:
        raise ValueError(f"CELERIAC_OIDC_SCOPES has more than {MAX_VALUES} values")
    return {value: _scopes(value, listed) for value, listed in given.items()}


def _scopes(value: str, listed: object) -> frozenset[Scope]:
    if not value or not isinstance(listed, list) or not listed:
        raise ValueError('CELERIAC_OIDC_SCOPES must be such as {"operators": ["read", "operate"]}')
    unknown = [each for each in listed if each not in tuple(Scope)]
    if unknown:
        raise ValueError(f"CELERIAC_OIDC_SCOPES may hold the scopes {', '.join(Scope)} and no others")
    return frozenset(map(Scope, listed))
