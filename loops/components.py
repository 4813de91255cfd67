"""Whether the servers and the mirror that all of this leans on are there, as the loops see it, and since when not."""

import time
from collections.abc import Callable, Mapping

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.degradation import MIRROR
from domain.errors import Unavailable
from services.components import Check, ComponentChecks, Unwell, reason_of
from services.resident.signs_of_life import is_alive

DEADLINE_SECONDS = 3.0
ROUND_SECONDS = 2.0
SETTLES_SECONDS = 10.0
"""How long after a component answers again what comes through it may be missing: the mirror connects anew within 5 s,
and workers tell of themselves every 2 s.
"""
ANSWERS = (Unwell, Unavailable, RedisError, OSError)
"""What says that a component is not well. Any other error is a fault of ours, and not taken for an outage."""

log = structlog.get_logger(__name__)


class Components:
    """Asks components in rounds of its own, so that whoever wants to know never waits for one that hangs; `checks` go
    by the component's name, and `tell` is called when one has fallen silent or answers again.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        tell: Callable[[], None] = lambda: None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._checks = ComponentChecks(checks, deadline_seconds=deadline_seconds)
        self._tell = tell
        self._back_since: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        """By name, on the monotonic clock: when the first question was asked that had no answer."""

    async def run_once(self) -> float:
        """Ask all of them once; takes as long as the deadline."""
        asked_at = time.monotonic()
        errors = await self._checks.ask()
        for error in errors.values():
            if not isinstance(error, ANSWERS):
                raise error
            log.debug("component_silent", error=reason_of(error))
        before = self._silent_since
        self._silent_since = {name: before.get(name, asked_at) for name in errors}
        now = time.monotonic()
        self._back_since |= dict.fromkeys(before.keys() - errors.keys(), now)
        if before.keys() != errors.keys():
            self._tell()
        return ROUND_SECONDS

    def silent(self) -> dict[str, float]:
        """Return the seconds since a component's first question without an answer; those that answer are left out."""
        now = time.monotonic()
        return {name: now - since for name, since in self._silent_since.items()}

    def settling(self) -> frozenset[str]:
        """Return which components answer again since so lately that what comes through them may be missing."""
        earliest = time.monotonic() - SETTLES_SECONDS
        return frozenset(name for name, since in self._back_since.items() if since > earliest)

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        await self._checks.close()


async def check_mirror(redis: Redis) -> None:
    """Raise Unavailable while no mirror gives a sign of life; not while Redis is away, when nobody could hear one."""
    try:
        alive = await is_alive(redis, MIRROR)
    except (RedisError, OSError):
        return
    if not alive:
        raise Unavailable("No mirror gives a sign of life.")
