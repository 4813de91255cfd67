"""The layer that asks for keys, with keys of a test's own and no database."""

import time
from typing import Any

from api.middleware.authentication import Authentication
from api.middleware.client_address import ClientAddress
from domain.api_keys import ApiKey
from services.resident.key_ring import KeyRing


def layer(
    *keys: str, host: str = "127.0.0.1", metrics_key: str | None = None, ring: KeyRing | None = None
) -> tuple[Any, dict[str, Any]]:
    """The middleware with its options; without a ring no key is stored."""
    address = ClientAddress(())
    ring = ring or ring_of()
    return Authentication, {"keys": keys, "ring": ring, "host": host, "address": address, "metrics_key": metrics_key}


def ring_of(*keys: ApiKey, is_closed: bool = False) -> KeyRing:
    ring = KeyRing()
    ring.fill(keys, is_closed=is_closed, read_at=time.monotonic())
    ring.look_again = seen  # type: ignore[method-assign]  # nobody reads here
    return ring


async def seen() -> None:
    """Nothing has changed."""
