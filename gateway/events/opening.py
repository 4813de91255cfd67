"""Which sources a mirror listens to, by its broker."""

from collections.abc import Callable, Sequence

from domain.broker_options import BrokerOptions
from domain.priority import Transport
from domain.shares import Shares
from gateway.connection import transport_of
from gateway.events.handing_on import HandingOn
from gateway.events.rabbit import RabbitEvents
from gateway.events.sources import EventSource, RedisEvents
from gateway.events.stream import StreamEvents


def open_source(
    broker_url: str,
    options: BrokerOptions | None = None,
    *,
    hand_on: Callable[[Sequence[bytes]], bool] | None = None,
    shares: Callable[[], Shares] | None = None,
) -> EventSource:
    """Return the source for this broker, not yet connected; `hand_on` is for Redis, `shares` for RabbitMQ."""
    if transport_of(broker_url) is Transport.REDIS:
        return RedisEvents(broker_url, options, hand_on=hand_on)
    return RabbitEvents(broker_url, shares=shares)


def open_sources(
    broker_url: str, redis_url: str, *, shares: Callable[[], Shares], options: BrokerOptions | None = None
) -> list[EventSource]:
    """Return the events of the broker, and on Redis those that our plugin has put into the stream; not yet connected.

    Raises ValueError for a broker that we do not speak to.
    """
    if transport_of(broker_url) is Transport.AMQP:
        return [open_source(broker_url, shares=shares)]
    published = open_source(broker_url, options, hand_on=HandingOn(redis_url, shares))
    return [published, StreamEvents(redis_url, shares=shares)]
