"""The mirror's sign of life: a key in Redis that it renews while it hears and writes, and that fades otherwise."""

import asyncio
from datetime import UTC, datetime
from types import TracebackType

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import end

KEY = "celeriac:mirror"
RENEW_SECONDS = 1.0
FADES_SECONDS = 5

log = structlog.get_logger(__name__)


class SignOfLife:
    """`async with SignOfLife(redis) as life: life.give()` in each round of the mirror; `give` never waits.

    A mirror of several parts is alive while each of them gives.
    """

    def __init__(self, redis: Redis, *, parts: int = 1) -> None:
        self._redis = redis
        self._parts = parts
        self._given: set[object] = set()
        self._is_told = True
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SignOfLife":
        self._telling = asyncio.create_task(self._tell(), name="sign-of-life")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._telling is not None
        await end(self._telling)

    def give(self, part: object = None) -> None:
        """This part of the mirror is connected, and has come round once more."""
        self._given.add(part)

    async def _tell(self) -> None:
        while True:
            if len(self._given) == self._parts:
                self._given.clear()
                await self._renew()
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        try:
            await self._redis.set(KEY, datetime.now(UTC).isoformat(), ex=FADES_SECONDS)
            self._is_told = True
        except (RedisError, OSError) as error:
            if self._is_told:
                log.warning("sign_of_life_not_told", error=type(error).__name__)
            self._is_told = False


async def is_mirror_alive(redis: Redis) -> bool:
    """Whether any mirror has heard and written within the last seconds. Raises what the client raises."""
    return bool(await redis.exists(KEY))
