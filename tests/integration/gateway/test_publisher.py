import asyncio
import json
import threading
import time

import pytest
import redis
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from gateway.senders import BATCH_SIZE
from tests.gateway_broker import FragileBroker
from tests.gateway_messages import make_message


async def test_a_message_says_all_that_a_worker_needs_and_has_no_eta(broker: FragileBroker) -> None:
    message = make_message("t", 1, "ä", kwargs={"k": [None]}, timeout_seconds=30, max_retries=0, dispatch_no=7)
    publisher = Publisher(broker.broker_url)
    await publisher.publish([message])
    await publisher.close()
    with redis.Redis.from_url(broker.broker_url) as client:
        (raw,) = client.lrange("celery\x06\x163", 0, -1)
    headers = json.loads(raw)["headers"]
    assert headers["id"] == headers["root_id"] == message.task_id
    assert (headers["task"], headers["retries"], headers["timelimit"]) == ("t", 0, [30, None])
    assert (headers["celeriac_max_retries"], headers["celeriac_dispatch_no"]) == (0, 7)
    assert (headers["eta"], headers["expires"], headers["parent_id"]) == (None, None, None)


async def test_only_lists_that_every_worker_reads_are_written_unless_all_ten_are_read(broker: FragileBroker) -> None:
    publisher = Publisher(broker.broker_url)
    messages = [make_message("t", priority=priority) for priority in range(1, 11)]
    await publisher.publish(messages)
    with redis.Redis.from_url(broker.broker_url, decode_responses=True) as client:
        assert set(client.keys("celery*")) == {"celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169"}
        client.flushdb()
        await publisher.publish(messages, ten_step_queues=["celery"])
        assert len(client.keys("celery*")) == 10
    await publisher.close()


async def test_more_than_one_batch_is_sent_whole(broker: FragileBroker) -> None:
    messages = [make_message("t") for _ in range(2 * BATCH_SIZE + 1)]
    publisher, queues = Publisher(broker.broker_url), QueueReader(broker.broker_url)
    assert len((await publisher.publish(messages)).sent) == len(messages)
    assert await queues.depths(["celery"]) == {"celery": len(messages)}
    assert await queues.held_task_ids(["celery"]) == {message.task_id for message in messages}
    await publisher.close()
    await queues.close()


async def test_a_task_that_cannot_be_put_into_words_does_not_hold_up_the_others(broker: FragileBroker) -> None:
    good, bad = make_message("t"), make_message("t", object())
    publisher = Publisher(broker.broker_url)
    with capture_logs() as logs:
        assert (await publisher.publish([bad, good])).sent == {good.task_id}
    await publisher.close()
    assert [(line["event"], line["task_id"]) for line in logs] == [("publish_refused", bad.task_id)]


async def test_after_a_restart_of_the_broker_the_next_publish_simply_works(broker: FragileBroker) -> None:
    publisher = Publisher(broker.broker_url)
    await publisher.publish([make_message("t")])
    broker.stop()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish([make_message("t")])
    broker.start()
    message = make_message("t")
    assert (await publisher.publish([message])).sent == {message.task_id}
    await publisher.close()


async def test_a_frozen_broker_is_given_up_in_time_and_holds_up_nobody_else(broker: FragileBroker) -> None:
    publisher = Publisher(broker.broker_url)
    await publisher.publish([make_message("t")])
    broker.freeze()
    began = time.monotonic()
    publishing = asyncio.create_task(publisher.publish([make_message("t")]))
    ticks = 0
    while not publishing.done():
        await asyncio.sleep(0.05)
        ticks += 1
    assert time.monotonic() - began < 6
    assert ticks > 10, "the event loop waited for the broker"
    with pytest.raises(BrokerUnavailable, match=r"^The broker is unavailable; try again\.$"):
        await publishing
    broker.thaw()
    message = make_message("t")
    assert (await publisher.publish([message])).sent == {message.task_id}
    await publisher.close()


async def test_closing_leaves_no_thread_behind(broker: FragileBroker) -> None:
    publisher = Publisher(broker.broker_url)
    await publisher.publish([make_message("t")])
    assert any(thread.name.startswith("gateway-publisher") for thread in threading.enumerate())
    await publisher.close()
    assert not any(thread.name.startswith("gateway-publisher") for thread in threading.enumerate())
