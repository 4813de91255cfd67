"""The word, in Redis, that an API asks nobody for a key where others than its machine reach it.

Only an API knows: it alone knows where it listens and whether a key has been made meanwhile. The loops read it and keep
an alert open for as long as it holds.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.redis_keys import OPEN_ACCESS_KEY

RENEW_SECONDS = 1.0
FADES_SECONDS = 5

log = structlog.get_logger(__name__)


class OpenAccess(Resident):
    """Renews the word while `is_open` says so; it fades by itself 5 s after that, or after the process."""

    def __init__(
        self, redis: Redis, is_open: Callable[[], bool], *, host: str, renew_seconds: float = RENEW_SECONDS
    ) -> None:
        self._redis = redis
        self._is_open = is_open
        self._host = host
        self._renew_seconds = renew_seconds

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._tell, name="open-access")]

    async def _tell(self) -> None:
        if self._is_open():
            try:
                await self._redis.set(OPEN_ACCESS_KEY, self._host, ex=FADES_SECONDS)
            except (RedisError, OSError) as error:
                log.debug("open_access_not_told", error=type(error).__name__)
        await asyncio.sleep(self._renew_seconds)


async def list_open_hosts(redis: Redis) -> tuple[str, ...] | None:
    """Return the address on which an API is open to others, if one is; None where Redis does not say."""
    try:
        host = cast(bytes | None, await redis.get(OPEN_ACCESS_KEY))
    except (RedisError, OSError):
        return None
    return () if host is None else (host.decode(errors="replace"),)
