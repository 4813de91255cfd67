"""Whether the servers and the mirror that all of this leans on are there, as the loops see it, and since when not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.degradation import MIRROR
from domain.errors import Unavailable
from services.resident.signs_of_life import is_alive

DEADLINE_SECONDS = 3.0

Check = Callable[[], Awaitable[object]]
"""Returns once the component has answered."""

log = structlog.get_logger(__name__)


class Components:
    """Asks components; `checks` go by the component's name."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._silent_since: dict[str, datetime] = {}

    async def ask(self) -> dict[str, float]:
        """Return the seconds since a component's first question without an answer; those that answer are left out."""
        asked_at = datetime.now(UTC)
        answers = await asyncio.gather(*map(_answers, self._checks.values()))
        for name, answered in zip(self._checks, answers, strict=True):
            if answered:
                self._silent_since.pop(name, None)
            else:
                self._silent_since.setdefault(name, asked_at)
        now = datetime.now(UTC)
        return {name: (now - since).total_seconds() for name, since in self._silent_since.items()}


async def check_mirror(redis: Redis) -> None:
    """Raise Unavailable while no mirror gives a sign of life; not while Redis is away, when nobody could hear one."""
    try:
        alive = await is_alive(redis, MIRROR)
    except (RedisError, OSError):
        return
    if not alive:
        raise Unavailable("No mirror gives a sign of life.")


async def _answers(check: Check) -> bool:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await check()
    except (Unavailable, RedisError, OSError) as error:  # TimeoutError is an OSError
        log.debug("component_silent", error=type(error).__name__)
        return False
    return True
