"""A master that sentinels know dies: whoever speaks to it finds the next one, and what may be lost is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celeriac_worker.servers
import pytest
from redis.exceptions import RedisError

from bench.sentinels import Sentinels, sentinels
from domain.redis_keys import STREAM_KEY
from domain.server_urls import with_sentinel_options
from gateway.connection import BROKER_ERRORS, blocking_redis_client, connect, redis_client
from gateway.events.sources import Blind, RedisEvents
from gateway.events.stream import StreamEvents
from tests.patience import until


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Sentinels]:
    with sentinels(tmp_path) as found:
        yield found


async def test_after_a_failover_all_are_at_the_new_master_and_the_stream_tells_a_gap(
    servers: Sentinels,
) -> None:
    url = with_sentinel_options(servers.url(3), servers.options)
    ours, blocking, plugin = redis_client(url), blocking_redis_client(url), celeriac_worker.servers.connect(url)
    broker, events, stream = connect(url), RedisEvents(url), StreamEvents(url)
    stream.connect()
    blocking.xadd(STREAM_KEY, {"body": "{}"})
    assert [type(item).__name__ for item in stream.receive(0.1)] == ["EventMessage"]
    broker.ensure_connection(max_retries=1)
    assert events.connect()
    blocking.set("before", "1")
    blocking.wait(1, 5000)

    killed = servers.kill_master()
    after = servers.wait_for_other_master(killed)

    def channel() -> Any:
        return broker.default_channel

    async def follows() -> bool:
        try:
            await ours.set("after", "1")
            found = [plugin.get("after"), blocking.get("after"), channel().client.get("before")]
        except (RedisError, *BROKER_ERRORS):
            broker.collect()
            return False
        return found == [b"1"] * 3

    await until(follows, every=0.1)
    with servers.client(after) as client:
        client.select(3)
        assert client.get("after") == b"1"
    events.close()
    assert events.connect()
    stream.close()
    assert stream.connect() is False
    (gap,) = stream.receive(0.1)
    assert isinstance(gap, Blind)
    assert gap.streamed
    stream.acknowledge(gap)
    stream.close()
    stream.connect()
    assert not any(isinstance(item, Blind) for item in stream.receive(0.1))
    await ours.aclose()
    for client in (blocking, plugin, stream, events):
        client.close()
    broker.release()
