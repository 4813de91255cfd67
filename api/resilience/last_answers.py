"""The last good answer of each kept route and query, in Redis, for the time when the database cannot be asked.

At most 64 KiB each, 64 MiB in all for all processes together, forgotten after ten minutes. Answers are handed over
without waiting, written a few times a second, the newest of each question only; while Redis is away they are dropped.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from background import Resident, start_rounds
from domain.redis_keys import ANSWER_TIMES_KEY, ANSWERS_KEY

MAX_ANSWER_BYTES = 64 * 1024
MAX_TOTAL_BYTES = 64 * 1024 * 1024
TTL_SECONDS = 600
WRITE_SECONDS = 0.1
MAX_WAITING = 500
"""How many answers may wait for the next write: 32 MiB at most."""
TIMEOUT_SECONDS = 0.5

# The total lies in the hash itself, under a field that no question has: what Redis forgets, it forgets together.
_KEEP = """
local bodies, times = KEYS[1], KEYS[2]
local question, answer, now, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', bodies, times) < 2 then redis.call('DEL', bodies, times) end
local total = tonumber(redis.call('HGET', bodies, '') or '0')
local function forget(old)
  total = total - redis.call('HSTRLEN', bodies, old)
  redis.call('HDEL', bodies, old)
  redis.call('ZREM', times, old)
end
forget(question)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', now - ttl, 'LIMIT', 0, 100)) do forget(old) end
total = total + #answer
while total > most do
  local oldest = redis.call('ZRANGE', times, 0, 0)[1]
  if not oldest then break end
  forget(oldest)
end
redis.call('HSET', bodies, question, answer, '', total)
redis.call('ZADD', times, now, question)
redis.call('EXPIRE', bodies, ttl)
redis.call('EXPIRE', times, ttl)
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """The JSON body of a good answer, and how old it is."""

    body: bytes
    age_seconds: float


class LastAnswers(Resident):
    """`async with LastAnswers(redis) as answers: answers.remember(question, body); await answers.find(question)`."""

    def __init__(self, redis: Redis, *, max_total_bytes: int = MAX_TOTAL_BYTES, max_waiting: int = MAX_WAITING) -> None:
        self._redis = redis
        self._keep: Callable[..., Awaitable[Any]] = redis.register_script(_KEEP)
        self._max_total_bytes = max_total_bytes
        self._max_waiting = max_waiting
        self._waiting: dict[str, bytes] = {}
        self._on_the_way: dict[str, bytes] = {}
        self._arrived = asyncio.Event()
        self._is_kept = True

    def remember(self, question: str, body: bytes) -> None:
        """Remember this answer, unless it is too large or too many are waiting to be written."""
        if len(body) > MAX_ANSWER_BYTES or (len(self._waiting) >= self._max_waiting and question not in self._waiting):
            return
        self._waiting[question] = b"%.3f " % time.time() + body
        self._arrived.set()

    async def find(self, question: str) -> LastAnswer | None:
        """The last good answer; None if there is none that is young enough, or Redis does not tell."""
        stored = self._waiting.get(question) or self._on_the_way.get(question)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                stored = stored or await cast(Awaitable[bytes | None], self._redis.hget(ANSWERS_KEY, _field(question)))
        except (RedisError, OSError) as error:
            log.warning("last_answer_not_read", error=type(error).__name__)
        if not stored:
            return None
        at, _, body = stored.partition(b" ")
        age = max(0.0, time.time() - float(at))
        return LastAnswer(body, age) if age <= TTL_SECONDS else None

    async def write_waiting(self) -> None:
        """Write what waits; drops it while Redis does not take it."""
        self._on_the_way, self._waiting = self._waiting, {}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                for question, stored in self._on_the_way.items():
                    limits = [time.time(), TTL_SECONDS, self._max_total_bytes]
                    await self._keep(
                        keys=[ANSWERS_KEY, ANSWER_TIMES_KEY], args=[_field(question), stored, *limits], client=pipe
                    )
                await pipe.execute()
            self._is_kept = True
        except (RedisError, OSError) as error:
            if self._is_kept:
                log.warning("last_answers_not_kept", error=type(error).__name__)
            self._is_kept = False
        finally:
            self._on_the_way = {}

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._write_soon, name="last-answers")]

    async def _write_soon(self) -> None:
        await self._arrived.wait()
        self._arrived.clear()
        await asyncio.sleep(WRITE_SECONDS)
        await self.write_waiting()


def _field(question: str) -> bytes:
    """Short, whatever a client asks."""
    return hashlib.blake2b(question.encode(), digest_size=20).digest()
