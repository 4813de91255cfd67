"""How a priority of ours (10 is most urgent) is told to each broker, which count differently.

One function, because a step that no worker reads strands its messages silently (ruling 16).
"""

from enum import StrEnum

MOST_URGENT = 10
STOCK_REDIS_STEP = 3
"""Every worker on Redis reads the steps 0, 3, 6 and 9; only one told so reads all ten."""


class Transport(StrEnum):
    """The brokers that Celeriac speaks to."""

    REDIS = "redis"
    AMQP = "amqp"


def message_priority(priority: int, transport: Transport, *, ten_steps: bool = False) -> int:
    """The message's own priority for one of 1 to 10.

    RabbitMQ takes the highest number first, Redis the lowest. `ten_steps` says that every consumer of
    the queue is known to read ten steps on Redis; elsewhere it means nothing.
    """
    if transport is Transport.AMQP:
        return priority
    step = MOST_URGENT - priority
    return step if ten_steps else step // STOCK_REDIS_STEP * STOCK_REDIS_STEP
