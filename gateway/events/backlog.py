"""What waits for the mirrors: in the streams of the plugin and of the shares, or in the durable queue on RabbitMQ."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from domain.redis_keys import SHARE_COUNT_KEY, STREAM_KEY, share_key
from domain.shares import MOST_SHARES
from gateway.events.dealing import unpack
from gateway.events.rabbit import DURABLE_QUEUE
from gateway.events.share_streams import PACKET_FIELD
from gateway.queues import QueueReader


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are received and not yet committed; what one mirror has dealt to another counts by packets."""

    count: int
    oldest_seconds: float
    """Seconds since the oldest of them arrived, by Redis' clock; 0 where none waits."""


async def read_stream_backlog(redis: Redis) -> Backlog:
    """Return what waits in the streams: a stored message is deleted from them. Raises what the client raises."""
    shares = _sane(await redis.get(SHARE_COUNT_KEY))
    keys = [STREAM_KEY, *map(share_key, range(shares))]
    async with redis.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.xlen(key)
            pipe.xrange(key, count=1)
        pipe.time()
        *answers, (seconds, microseconds) = await pipe.execute()
    count, oldest = sum(answers[::2]), [_arrived_ms(*entry) for entries in answers[1::2] for entry in entries]
    if not oldest:
        return Backlog(0, 0.0)
    return Backlog(count, max(0.0, seconds + microseconds / 1e6 - min(oldest) / 1000))


async def count_in_queue(queues: QueueReader) -> int:
    """Count events that RabbitMQ has handed to no mirror; always 0 on Redis. Raises BrokerUnavailable.

    What one mirror has dealt to another counts as handed over.
    """
    return (await queues.depths([DURABLE_QUEUE]))[DURABLE_QUEUE]


def _sane(count: Any) -> int:
    """The number of shares, whoever wrote it; 0 before there was a mirror that knows of any."""
    return min(int(count), MOST_SHARES) if count and count.isdigit() else 0


def _arrived_ms(entry_id: bytes, fields: dict[bytes, bytes]) -> int:
    """When the message, or the oldest in the packet, arrived."""
    try:
        return min(part.heard_ms for part in unpack(fields[PACKET_FIELD]))
    except (KeyError, ValueError):
        return int(entry_id.split(b"-")[0])
