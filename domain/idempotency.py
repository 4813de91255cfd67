"""Requests that a client may send again and that act once (`Idempotency-Key`)."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request as it is told from others. Only hashes, so that no path or body makes a row large."""

    request_hash: bytes
    """The hash of the path, the client's key and the API key: the same key on another path is another request."""
    body_hash: bytes
    """The hash of the body: the same request with another body is a conflict."""
    ownerless_hash: bytes | None = None
    """The hash without the API key, as it was stored before API keys were told apart; None where there are none."""


def request_key(path: str, key: str, *, body: bytes, owner: bytes | None = None) -> RequestKey:
    """The key of a request to this path by this `owner`, the hash of an API key; None without API keys.

    A path holds no NUL, so path and key cannot run into each other; what begins with a hash is no path.
    """
    ownerless = sha256(f"{path}\0{key}".encode()).digest()
    if owner is None:
        return RequestKey(ownerless, sha256(body).digest())
    return RequestKey(sha256(owner + ownerless).digest(), sha256(body).digest(), ownerless)
