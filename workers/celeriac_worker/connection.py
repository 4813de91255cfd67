"""How the plugin connects to Celeriac's Redis, with whatever release of redis-py the host has: 4.5 and up."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_SECONDS = 1.0


def connect(url: str) -> redis.Redis:
    """A client that gives up after `ANSWER_SECONDS`; it connects with its first command."""
    return redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # Once more at once: a connection that lay idle may have been closed. Never after a timeout.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        **_protocol(),
    )


def _protocol() -> dict[str, Any]:
    """Redis' second protocol, which 8.0 does not begin with any more, and which 4.x had no name for."""
    return {"protocol": 2} if int(redis.__version__.split(".", 1)[0]) >= 5 else {}
