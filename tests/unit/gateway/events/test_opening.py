"""Each broker has its sources."""

import pytest

from domain.shares import ALONE
from gateway.events.opening import open_source, open_sources
from gateway.events.rabbit import RabbitEvents
from gateway.events.sources import RedisEvents
from gateway.events.stream import StreamEvents

REDIS = "redis://127.0.0.1:1/0"


def test_each_broker_has_its_source() -> None:
    assert isinstance(open_source("amqp://h//"), RabbitEvents)
    assert isinstance(open_source(REDIS), RedisEvents)
    with pytest.raises(ValueError, match="is not supported"):
        open_source("sqs://")


@pytest.mark.parametrize(("url", "kinds"), [("amqp://h//", [RabbitEvents]), (REDIS, [RedisEvents, StreamEvents])])
def test_on_redis_the_stream_is_read_as_well(url: str, kinds: list[type]) -> None:
    assert [type(source) for source in open_sources(url, REDIS, shares=lambda: ALONE)] == kinds
