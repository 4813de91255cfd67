"""What waits for the mirror: in the plugin's stream, and on RabbitMQ in the durable queue."""

from dataclasses import dataclass

from redis.asyncio import Redis

from domain.redis_keys import STREAM_KEY
from gateway.events.sources import DURABLE_QUEUE
from gateway.queues import QueueReader


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are received and not yet committed."""

    count: int
    oldest_seconds: float
    """Seconds since the oldest of them arrived, by Redis' clock; 0 where none waits."""


async def read_stream_backlog(redis: Redis) -> Backlog:
    """Return what waits in the stream: a stored message is deleted from it. Raises what the client raises."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xlen(STREAM_KEY)
        pipe.xrange(STREAM_KEY, count=1)
        pipe.time()
        count, oldest, (seconds, microseconds) = await pipe.execute()
    if not oldest:
        return Backlog(0, 0.0)
    arrived_ms = int(oldest[0][0].split(b"-")[0])
    return Backlog(count, max(0.0, seconds + microseconds / 1e6 - arrived_ms / 1000))


async def count_in_queue(queues: QueueReader) -> int:
    """Count events that RabbitMQ has handed to no mirror; always 0 on Redis. Raises BrokerUnavailable."""
    return (await queues.depths([DURABLE_QUEUE]))[DURABLE_QUEUE]
