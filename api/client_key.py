"""The place where a request says which API key it was let in with: the authentication writes it there, and whoever
keeps clients apart reads it.
"""

from starlette.types import Scope

_KEY_HASH = "celeriac.key_hash"


def note_key_hash(scope: Scope, key_hash: bytes) -> None:
    """Remember the SHA-256 of the API key with which this request was let in."""
    scope[_KEY_HASH] = key_hash


def key_hash_of(scope: Scope) -> bytes | None:
    """The SHA-256 of the API key with which this request was let in; None where no keys are asked for."""
    key_hash: bytes | None = scope.get(_KEY_HASH)
    return key_hash
