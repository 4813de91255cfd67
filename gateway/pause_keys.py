"""The keys by which workers with our plugin know that they are paused, before they are told and after a restart."""

from collections.abc import Collection

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from domain.redis_keys import paused_key


class PauseKeys:
    """One key for each node that shall start nothing. Both methods raise Unavailable while Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def hold(self, nodes: Collection[str]) -> None:
        """Let these nodes start nothing, for as long as nobody releases them."""
        if not nodes:
            return
        try:
            await self._redis.mset({paused_key(node): "1" for node in nodes})
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def release(self, node: str) -> None:
        """Let nothing keep this node from starting tasks."""
        try:
            await self._redis.delete(paused_key(node))
        except (RedisError, OSError) as error:
            raise Unavailable from error
