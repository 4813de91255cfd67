"""What waits for the mirrors of a benchmark or a drill, and when they have dealt out the shares among themselves."""

import time

import redis

from bench.stack import Servers, wait_until
from domain.redis_keys import MIRRORS_KEY, SHARE_COUNT_KEY, STREAM_KEY, share_key
from services.resident.sharing import ASK_SECONDS


def wait_until_shared(servers: Servers, count: int) -> None:
    """Return when so many mirrors are there, and each of them has seen that."""
    with redis.Redis.from_url(servers.redis_url) as ours:
        wait_until(lambda: ours.zcard(MIRRORS_KEY) == count, f"{count} mirrors that work")
    time.sleep(2 * ASK_SECONDS)


def waiting(ours: redis.Redis) -> int:
    """Count the messages and packets that are not stored."""
    shares = int(ours.get(SHARE_COUNT_KEY) or 0)
    return sum(int(ours.xlen(key)) for key in (STREAM_KEY, *map(share_key, range(shares))))
