"""Which shares of the events this mirror writes: the mirrors that work say so once a second, and each deals out alike.

They may differ for a second when one comes or goes. Then two write the same events, or hand them back and forth once;
both change nothing but speed.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.redis_keys import MIRRORS_KEY, SHARE_COUNT_KEY
from domain.shares import MOST_SHARES, Shares, deal_out

ASK_SECONDS = 1.0
GONE_SECONDS = 5.0
"""How long a mirror may say nothing before its shares are dealt out to the others."""
LEAVE_SECONDS = 1.0

# KEYS: the mirrors, the largest number of shares. ARGV: our name, our number of shares, whether we work, the
# milliseconds of silence after which a mirror is gone. A time ahead of the clock is that of another server.
_MEET = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[4], '+inf')
if ARGV[3] == '1' then redis.call('ZADD', KEYS[1], now, ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
local count = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) or 0, ARGV[2])
redis.call('SET', KEYS[2], count)
local mirrors = redis.call('ZRANGE', KEYS[1], 0, 999)
table.insert(mirrors, 1, tostring(count))
return mirrors
"""

log = structlog.get_logger(__name__)


class Sharing(Resident):
    """`async with Sharing(...) as sharing: sharing.shares`, which any thread may read at any time."""

    def __init__(
        self, redis: Redis, *, count: int, works: Callable[[], bool], ask_seconds: float = ASK_SECONDS
    ) -> None:
        """Prepare to meet the others; a mirror that no longer `works` leaves its shares to them."""
        self.name = uuid4().hex
        self.shares = Shares(count, frozenset(range(count)), alone=True)
        """Ours; all while nobody else is known, or while Redis does not say who there is."""
        self._redis = redis
        self._count = count
        self._works = works
        self._ask_seconds = ask_seconds
        self._script = redis.register_script(_MEET)
        self._met_at = time.monotonic()
        self._meets = True

    async def __aenter__(self) -> "Sharing":
        await self._meet()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self._leave()

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._round, name="sharing")]

    async def _round(self) -> None:
        await asyncio.sleep(self._ask_seconds)
        await self._meet()

    async def _meet(self) -> None:
        args: list[str | int] = [self.name, self._count, int(self._works()), round(GONE_SECONDS * 1000)]
        try:
            answer: Any = await self._script(keys=[MIRRORS_KEY, SHARE_COUNT_KEY], args=args)
        except (RedisError, OSError) as error:
            self._miss(error)
            return
        self._met_at, self._meets = time.monotonic(), True
        count, *mirrors = (name.decode(errors="replace") for name in cast(list[bytes], answer))
        self._deal(deal_out(self.name, mirrors, count=min(max(self._count, int(float(count))), MOST_SHARES)))

    def _deal(self, shares: Shares) -> None:
        if shares != self.shares:
            log.info("shares_dealt", owned=len(shares.owned), count=shares.count, alone=shares.alone)
        self.shares = shares

    def _miss(self, error: Exception) -> None:
        """Own all after a while: the others count us as gone by then, and we them."""
        if self._meets:
            log.warning("mirrors_not_met", error=type(error).__name__)
        self._meets = False
        if time.monotonic() - self._met_at > GONE_SECONDS:
            count = self.shares.count
            self._deal(Shares(count, frozenset(range(count)), alone=True))

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._redis.zrem(MIRRORS_KEY, self.name)
        except (RedisError, OSError) as error:
            log.warning("mirrors_not_met", error=type(error).__name__)
