"""A master that sentinels know dies: whoever speaks to it finds the next one, and what may be lost is said."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
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
from tests.flower_process import flower_beside
from tests.patience import until
from tests.secured import secure_program, secured_sentinel


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


@pytest.mark.skipif(secure_program() is None, reason="no Redis with TLS is installed")
async def test_by_tls_the_master_is_found_by_all_that_ask_and_by_flower(tmp_path: Path) -> None:
    with secured_sentinel(tmp_path) as servers, ExitStack() as stack:
        url = with_sentinel_options(servers.url(0), servers.options())
        blocking = stack.enter_context(closing(blocking_redis_client(url)))
        plugin = stack.enter_context(closing(celeriac_worker.servers.connect(url)))
        events = stack.enter_context(closing(RedisEvents(url)))
        broker = stack.enter_context(connect(url))
        blocking.set("mark", "1")
        channel: Any = broker.default_channel
        ours = redis_client(url)
        assert [plugin.get("mark"), await ours.get("mark"), channel.client.get("mark")] == [b"1"] * 3
        assert events.connect()
        await ours.aclose()
        unproven = redis_client(
            with_sentinel_options(
                servers.url(0), servers.options(ssl_ca_certs=str(servers.certificates.file("other.crt")))
            )
        )
        with pytest.raises(RedisError):
            await unproven.get("mark")
        await unproven.aclose()
        blocking.lpush("celery", "a message")
        given = {"CELERIAC_BROKER_TRANSPORT_OPTIONS": json.dumps(servers.options())}
        flower = stack.enter_context(flower_beside(tmp_path, servers.url(0), **given))
        # Behind sentinels its page of the broker reads database 0, whatever the URL says (Flower 2.2).
        shown = await asyncio.to_thread(flower.ask, "/api/queues/length")
        assert shown.json() == {"active_queues": [{"name": "celery", "messages": 1}]}, shown.text
