"""Principals: who makes a request, and what he may do.

Every request that is let in has one; what is written says by its id who wrote it. There are no passwords: whoever is
no key is known by a token of the issuer that the settings name.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.scopes import Scope
from domain.sight import UNLIMITED, Limits

ALL_SCOPES = frozenset(Scope)


class PrincipalKind(StrEnum):
    """How somebody was let in."""

    API_KEY = "api_key"
    ENV_KEY = "env_key"
    LOCAL = "local"
    """Nobody was asked for a key, since there is none."""
    OIDC = "oidc"
    """Somebody has sent a token of the issuer, as programs do."""
    SESSION = "session"
    """A browser has sent the cookie of somebody who has signed in there, with a key or at the issuer."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request."""

    kind: PrincipalKind
    id: str
    """The id of the key; of a key of `CELERIAC_API_KEYS` its place there, which tells nothing of the key. Of a person
    the subject of his token. A session has the id of what it was made from."""
    name: str
    scopes: frozenset[Scope]
    limits: Limits = UNLIMITED
    """The queues and task names outside of which nothing exists for him."""
    signed_in_with: PrincipalKind | None = None
    """What his session was made from, where he has one."""

    def may(self, scope: Scope) -> bool:
        """Whether the scope is one of his. None stands for another: a key with `admin` alone reads no task."""
        return scope in self.scopes

    @property
    def author(self) -> str:
        """The name under which his writes are recorded, e.g. `api_key:k7Qm2ZpX4rT1`; in a session that of the key."""
        kind = self.signed_in_with or self.kind
        return str(kind) if kind is PrincipalKind.LOCAL else f"{kind}:{self.id}"


LOCAL = Principal(PrincipalKind.LOCAL, "local", "local", ALL_SCOPES)
"""Everybody who reaches us, where there is no key."""
