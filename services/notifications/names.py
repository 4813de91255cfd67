"""Names of channels and routes: each is there once."""

from collections.abc import Iterable
from typing import Protocol

from domain.errors import Conflict


class Named(Protocol):
    """Something that people have given a name."""

    @property
    def name(self) -> str:
        """Return its name."""


def refuse_taken(name: str, others: Iterable[Named], *, refusal: type[Conflict]) -> None:
    """Raise the refusal if one of the others has this name."""
    if any(other.name == name for other in others):
        raise refusal
