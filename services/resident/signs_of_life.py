"""Signs of life of our own processes, in Redis, where each API process and the loops find them.

There are two. A key for each kind of process, which one renews while all of its parts come round: it fades 5 s after a
process has begun to hang. And a subscription, which Redis drops in the moment in which the process is gone: it tells at
once of one that was killed, and of one that ended itself because it had lost a part.
"""

import asyncio
import time
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.redis_keys import LIVES_KEY, life_channel, process_key

RENEW_SECONDS = 1.0
FADES_SECONDS = 5
LISTEN_SECONDS = 60.0
RECONNECT_SECONDS = 0.5
GOODBYE_SECONDS = 1.0
ONCE = 0.0
MOST_LIVES = 1_000
"""How many lives are remembered before all are forgotten: no loops have looked for long. A forgotten end raises no
alert.
"""
PRESENT = b"present"
"""The key's value while the subscription holds. Where Redis allows none, the key alone tells."""

log = structlog.get_logger(__name__)


def process_of(life: str) -> str:
    """Return the kind of process whose life this is."""
    return life.partition(":")[0]


class SignOfLife(Resident):
    """`async with SignOfLife(redis, "mirror") as life: life.give()` in each round of the process; `give` never waits.

    A process of several parts is alive while each of them gives.
    """

    def __init__(
        self,
        redis: Redis,
        process: str,
        *,
        parts: int = 1,
        renew_seconds: float = RENEW_SECONDS,
        reconnect_seconds: float = RECONNECT_SECONDS,
        most_lives: int = MOST_LIVES,
    ) -> None:
        self._renew_seconds = renew_seconds
        self._reconnect_seconds = reconnect_seconds
        self._most_lives = most_lives
        self._life = f"{process}:{uuid.uuid4().hex}"
        self.present_since: float | None = None
        """On the monotonic clock; None while Redis does not know that we are there."""
        self.parts = parts
        self.worked_at = 0.0
        """When all parts had last come round, on the monotonic clock."""
        self._redis = redis
        self._process = process
        self._given: dict[object, float] = {}
        """By part, until when its word holds: in the past once told, if it was given for one time."""
        self._is_told = True
        self._subscribes = True

    async def __aexit__(self, *raised: object) -> None:
        if not any(raised) and self.present_since is not None:
            await self._say_goodbye()
        await super().__aexit__(*raised)

    def give(self, part: object = None) -> None:
        """Note that this part works, and has come round once more."""
        self._given[part] = ONCE

    def promise(self, part: object, seconds: float) -> None:
        """Note that this part works, and comes round once more within so many seconds."""
        self._given[part] = time.monotonic() + seconds

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._be_present, name="presence"), start_rounds(self._tell, name="sign-of-life")]

    async def _tell(self) -> None:
        now = time.monotonic()
        holding = [until for until in self._given.values() if until == ONCE or until > now]
        if len(holding) >= self.parts:
            self._given = {part: until for part, until in self._given.items() if until > now}
            self.worked_at = now
            await self._renew()
        await asyncio.sleep(self._renew_seconds)

    async def _renew(self) -> None:
        value = PRESENT if self.present_since is not None else datetime.now(UTC).isoformat()
        try:
            await self._redis.set(process_key(self._process), value, ex=FADES_SECONDS)
            self._is_told = True
        except (RedisError, OSError) as error:
            if self._is_told:
                log.warning("sign_of_life_not_told", error=type(error).__name__)
            self._is_told = False

    async def _be_present(self) -> None:
        """Hold the subscription until it is lost."""
        try:
            async with self._redis.pubsub() as listening:
                await listening.subscribe(life_channel(self._process), life_channel(self._life))
                while True:
                    await self._hear(await listening.get_message(timeout=LISTEN_SECONDS))
        except (RedisError, OSError) as error:
            if self._subscribes:
                log.warning("presence_lost", error=type(error).__name__)
            self._subscribes = False
        finally:
            self.present_since = None
        await asyncio.sleep(self._reconnect_seconds)

    async def _hear(self, message: Any) -> None:
        """The subscription is confirmed at first, and again after redis-py has connected anew by itself."""
        if message is not None and message["type"] == "subscribe" and message["data"] >= 2:
            self.present_since, self._subscribes = time.monotonic(), True
            if await _length(self._redis) >= self._most_lives:
                await self._redis.delete(LIVES_KEY)
            await self._redis.hset(LIVES_KEY, self._life, datetime.now(UTC).isoformat())

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await forget_lives(self._redis, [self._life])
        except (RedisError, OSError) as error:
            log.warning("goodbye_not_said", error=type(error).__name__)


async def _length(redis: Redis) -> int:
    return int(await redis.hlen(LIVES_KEY))


async def is_alive(redis: Redis, process: str) -> bool:
    """Tell whether any process of this kind is there, and has come round within the last seconds.

    Raises what the client raises.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(process_key(process))
        pipe.pubsub_numsub(life_channel(process))
        value, counted = await pipe.execute()
    return value is not None and (value != PRESENT or _counts(counted)[life_channel(process)] > 0)


async def list_lives(redis: Redis, *, known: Collection[str] = ()) -> dict[str, bool]:
    """Return every life that has not ended in order, and whether its process is there. Raises what the
    client raises.

    Takes one round trip while all of them are `known`, and one more where there is another one.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hkeys(LIVES_KEY)
        pipe.pubsub_numsub(*map(life_channel, known))
        keys, counted = await pipe.execute()
    lives = [life.decode() for life in cast(list[bytes], keys)]
    listening = _counts(counted)
    if any(life_channel(life) not in listening for life in lives):
        listening = _counts(await redis.pubsub_numsub(*map(life_channel, lives)))
    return {life: listening[life_channel(life)] > 0 for life in lives}


async def forget_lives(redis: Redis, lives: Collection[str]) -> None:
    """Forget these lives: their ends are told, or need not be told. Raises what the client raises."""
    if lives:
        await redis.hdel(LIVES_KEY, *lives)


def _counts(answer: Any) -> dict[str, int]:
    pairs = answer.items() if isinstance(answer, dict) else answer
    return {channel.decode(): int(count) for channel, count in pairs}
