"""Principals: who makes a request, and what he may do.

Every request that is let in has one; what is written says by its id who wrote it. Passwords, sessions and tokens of
others are no principals of ours.
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


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request."""

    kind: PrincipalKind
    id: str
    """The id of the key; of a key of `CELERIAC_API_KEYS` its place there, which tells nothing of the key."""
    name: str
    scopes: frozenset[Scope]
    limits: Limits = UNLIMITED
    """The queues and task names outside of which nothing exists for him."""

    def may(self, scope: Scope) -> bool:
        """Whether the scope is one of his. None stands for another: a key with `admin` alone reads no task."""
        return scope in self.scopes

    @property
    def author(self) -> str:
        """The name under which what he writes is recorded, e.g. `api_key:k7Qm2ZpX4rT1`."""
        return str(self.kind) if self.kind is PrincipalKind.LOCAL else f"{self.kind}:{self.id}"


LOCAL = Principal(PrincipalKind.LOCAL, "local", "local", ALL_SCOPES)
"""Everybody who reaches us, where there is no key."""
