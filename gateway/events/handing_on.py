"""Putting what workers without our plugin publish on Redis into the stream, once there are several mirrors.

All of them hear it. So each puts it there unless another already has, and none is missed while one of them lives.
"""

import hashlib
from collections.abc import Callable, Sequence

import structlog
from redis.exceptions import RedisError

from domain.redis_keys import STREAM_KEY, published_key
from domain.shares import Shares
from gateway.connection import blocking_redis_client
from gateway.events.stream import PUBLISHED_FIELD

KNOWN_SECONDS = 30
"""How long it is known that a message is in the stream; one that is put there twice is stored once."""
STREAM_LENGTH = 1_000_000

# KEYS: the stream, and a key for each message. ARGV: the seconds, the length, the field, the messages.
_HAND_ON = """
for i = 2, #KEYS do
  if redis.call('SET', KEYS[i], '', 'NX', 'EX', ARGV[1]) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', ARGV[3], ARGV[i + 2])
  end
end
"""

log = structlog.get_logger(__name__)


class HandingOn:
    """Called by the thread that hears what is published, with the bodies of messages."""

    def __init__(self, redis_url: str, shares: Callable[[], Shares]) -> None:
        self._client = blocking_redis_client(redis_url)
        self._hand_on = self._client.register_script(_HAND_ON)
        self._shares = shares

    def __call__(self, bodies: Sequence[bytes]) -> bool:
        """Return whether they are in the stream; if not, the caller has to see to them."""
        if self._shares().alone:
            return False
        keys = [published_key(hashlib.blake2b(body, digest_size=16).hexdigest()) for body in bodies]
        try:
            self._hand_on(keys=[STREAM_KEY, *keys], args=[KNOWN_SECONDS, STREAM_LENGTH, PUBLISHED_FIELD, *bodies])
        except (RedisError, OSError) as error:
            log.warning("events_not_handed_on", count=len(bodies), error=type(error).__name__)
            return False
        return True
