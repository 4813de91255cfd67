"""How a priority of ours (10 is most urgent) is told to each broker, which count differently.

One place, because a step that no worker reads strands its messages silently.
"""

from collections.abc import Mapping
from enum import StrEnum

MOST_URGENT = 10


class Transport(StrEnum):
    """The brokers that Celeriac speaks to."""

    REDIS = "redis"
    AMQP = "amqp"


def message_priority(priority: int, transport: Transport) -> int:
    """The message's own priority for one of 1 to 10: RabbitMQ takes the highest number first, Redis the lowest."""
    return priority if transport is Transport.AMQP else MOST_URGENT - priority


def priority_step_for(message_priority: int, lists: Mapping[int, str]) -> int:
    """Which of the steps of a queue on Redis a message belongs to: as kombu has it, the next more urgent one.

    Where there is none the most urgent of all; kombu itself would then take the least urgent. There must be a list.
    """
    return max((step for step in lists if step <= message_priority), default=min(lists))
