"""Requests that a client may send again and that act once (api-contract, section 2, `Idempotency-Key`)."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request as it is told from others. Only hashes, so that no path or body makes a row large."""

    request_hash: bytes
    """Of the path and the client's key: the same key on another path is another request."""
    body_hash: bytes
    """Of the body: the same request with another body is a conflict."""


def request_key(path: str, key: str, *, body: bytes) -> RequestKey:
    """The key of a request to this path. A path holds no NUL, so path and key cannot run into each other."""
    return RequestKey(sha256(f"{path}\0{key}".encode()).digest(), sha256(body).digest())
