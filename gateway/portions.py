"""Reads messages out of Redis in portions that are bounded by their bytes, however large each message is.

500 messages of 1.3 MB, which is what a body may have, are 650 MB in one answer, there and here.
"""

from collections.abc import AsyncIterator, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from gateway.connection import is_no_list

MOST_MESSAGES = 500
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of one portion; a message that is larger comes alone."""
FEW = 10
"""How many messages are read at once where the server runs no script for us."""

# KEYS: a list. ARGV: where to begin, how many messages at most, how many bytes. Returns what fits, one at least.
_READ = """
local found, size, at = {}, 0, tonumber(ARGV[1])
local last = at + tonumber(ARGV[2]) - 1
while at <= last do
  local some = redis.call('LRANGE', KEYS[1], at, math.min(at + 9, last))
  if #some == 0 then break end
  for _, message in ipairs(some) do
    size = size + #message
    if #found > 0 and size > tonumber(ARGV[3]) then return found end
    found[#found + 1] = message
  end
  at = at + #some
end
return found
"""


async def read_list(redis: Redis, key: str, *, most: int | None = None) -> AsyncIterator[list[bytes]]:
    """Yield up to so many messages of a queue, from the end that grows: what is added meanwhile hides nothing.

    None where the key is no list.
    """
    start = 0
    while most is None or start < most:
        count = MOST_MESSAGES if most is None else min(MOST_MESSAGES, most - start)
        portion = await _read(redis, key, start=start, count=count)
        if not portion:
            return
        yield portion
        start += len(portion)


async def _read(redis: Redis, key: str, *, start: int, count: int) -> list[bytes]:
    try:
        return cast(list[bytes], await redis.eval(_READ, 1, key, start, count, MOST_BYTES))
    except NoPermissionError:
        return cast(list[bytes], await redis.lrange(key, start, start + min(count, FEW) - 1))
    except ResponseError as error:
        if is_no_list(error):
            return []
        raise


async def read_hash(redis: Redis, key: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    """Yield all that a hash holds now, by field; nothing where the key is none. What goes meanwhile may be missing."""
    try:
        fields = cast(list[bytes], await redis.hkeys(key))
    except ResponseError as error:
        if is_no_list(error):
            return
        raise
    async for portion in read_fields(redis, key, fields=fields):
        yield portion


async def read_fields(redis: Redis, key: str, *, fields: Sequence[bytes]) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    """Yield these fields of a hash, in their order, without those that are not there."""
    for start in range(0, len(fields), MOST_MESSAGES):
        some = fields[start : start + MOST_MESSAGES]
        async with redis.pipeline(transaction=False) as pipe:
            for field in some:
                pipe.hstrlen(key, field)
            sizes = await pipe.execute()
        portion: list[bytes] = []
        bytes_so_far = 0
        for field, size in zip(some, sizes, strict=True):
            if portion and bytes_so_far + size > MOST_BYTES:
                yield await _read_fields(redis, key, fields=portion)
                portion, bytes_so_far = [], 0
            portion.append(field)
            bytes_so_far += size
        yield await _read_fields(redis, key, fields=portion)


async def _read_fields(redis: Redis, key: str, *, fields: list[bytes]) -> list[tuple[bytes, bytes]]:
    entries = cast(list[bytes | None], await redis.hmget(key, fields))
    return [(field, entry) for field, entry in zip(fields, entries, strict=True) if entry is not None]
