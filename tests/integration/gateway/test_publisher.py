import asyncio
import json
import threading
import time
from base64 import b64decode
from collections.abc import AsyncIterator

import pytest
import redis
from kombu.serialization import loads, registry  # type: ignore[attr-defined]
from structlog.testing import capture_logs

from domain.broker_options import BrokerOptions
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
        (raw,) = client.lrange("celery", 0, -1)
    headers = json.loads(raw)["headers"]
    assert headers["id"] == headers["root_id"] == message.task_id
    assert (headers["task"], headers["retries"], headers["timelimit"]) == ("t", 0, [30, None])
    assert (headers["celeriac_max_retries"], headers["celeriac_dispatch_no"]) == (0, 7)
    assert (headers["eta"], headers["expires"], headers["parent_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("own", "known", "lengths"),
    [
        (None, None, {"celery": 10}),
        (None, {0: "celery", 5: "celery:5"}, {"celery": 5, "celery:5": 5}),
        (None, {3: "celery\x06\x163", 10: "celery\x06\x1610"}, {"celery\x06\x163": 10}),
        (BrokerOptions(":", (1, 8), "shop:"), None, {"shop:celery:1": 8, "shop:celery:8": 2}),
        (BrokerOptions(":", (1, 8), "shop:"), {0: "celery"}, {"shop:celery": 10}),
    ],
)
async def test_only_lists_are_written_that_are_known_to_be_read_and_else_that_of_the_bare_name(
    broker: FragileBroker, own: BrokerOptions | None, known: dict[int, str] | None, lengths: dict[str, int]
) -> None:
    publisher = Publisher(broker.broker_url, options=own)
    messages = [make_message("t", priority=priority) for priority in range(1, 11)]
    sent = (await publisher.publish(messages, lists={"celery": known} if known else {})).sent
    await publisher.close()
    assert len(sent) == 10
    with redis.Redis.from_url(broker.broker_url, decode_responses=True) as client:
        assert {key: client.llen(key) for key in client.keys("*celery*")} == lengths
        told = {json.loads(raw)["properties"]["priority"] for key in lengths for raw in client.lrange(key, 0, -1)}
    assert told == set(range(10)), "a worker that gives one back puts it where it belongs by its own steps"


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
async def test_a_body_is_written_as_the_app_accepts_it(broker: FragileBroker, serializer: str) -> None:
    message = make_message("t", 1, "ä", kwargs={"k": [None, 0.5]})
    publisher = Publisher(broker.broker_url, serializer=serializer)
    await publisher.publish([message])
    await publisher.close()
    with redis.Redis.from_url(broker.broker_url) as client:
        received = json.loads(client.lrange("celery", 0, -1)[0])
    content = registry.name_to_type[serializer]
    body = b64decode(received["body"])
    args, kwargs, _ = loads(body, received["content-type"], received["content-encoding"], accept={content})
    assert (received["content-type"], list(args), kwargs) == (content, [1, "ä"], {"k": [None, 0.5]})


async def test_more_than_one_batch_is_sent_whole(broker: FragileBroker) -> None:
    messages = [make_message("t") for _ in range(2 * BATCH_SIZE + 1)]
    publisher, queues = Publisher(broker.broker_url), QueueReader(broker.broker_url)
    assert len((await publisher.publish(messages)).sent) == len(messages)
    assert await queues.depths(["celery"]) == {"celery": len(messages)}
    assert await queues.ids_in_queues(["celery"]) == {message.task_id for message in messages}
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
        await asyncio.wait({publishing}, timeout=0.05)
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


@pytest.fixture
async def publisher(broker: FragileBroker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.broker_url)
    yield publisher
    await publisher.close()


@pytest.fixture
async def queues(broker: FragileBroker) -> AsyncIterator[QueueReader]:
    queues = QueueReader(broker.broker_url)
    yield queues
    await queues.close()


async def test_a_key_of_another_kind_is_the_fate_of_its_message_alone(
    broker: FragileBroker, publisher: Publisher, queues: QueueReader
) -> None:
    with redis.Redis.from_url(broker.broker_url) as client:
        client.hset("cart", "item", "1")
    # Priority 10 is the bare name of the queue, which is the key.
    messages = [make_message("t", queue_name="cart" if n % 3 == 0 else "celery", priority=10) for n in range(60)]
    bad = {message.task_id for message in messages if message.queue_name == "cart"}
    published = await publisher.publish(messages)
    assert published.refused.keys() == bad
    assert {refusal.reason for refusal in published.refused.values()} == {
        "the broker says: WRONGTYPE Operation against a key holding the wrong kind of value"
    }
    assert published.sent == {message.task_id for message in messages} - bad
    assert await queues.depths(["cart", "celery"]) == {"cart": 0, "celery": 40}, "each good one exactly once"
    assert await queues.ids_in_queues(["cart", "celery"]) == set(published.sent)
    assert await queues.find_foreign(["cart", "celery", "nothing"]) == {"cart"}


@pytest.mark.parametrize("name", ["_kombu.binding.celery", "unacked", "celeriac:events"])
async def test_a_reserved_name_that_was_stored_in_former_times_never_reaches_the_broker(
    broker: FragileBroker, publisher: Publisher, name: str
) -> None:
    old, good = make_message("t", queue_name=name, priority=10), make_message("t", priority=10)
    published = await publisher.publish([old, good])
    assert (set(published.sent), set(published.refused)) == ({good.task_id}, {old.task_id})
    with redis.Redis.from_url(broker.broker_url) as client:
        assert client.keys("*") == [b"celery"]


async def test_what_the_broker_has_against_all_messages_is_no_fate_of_one(
    broker: FragileBroker, publisher: Publisher
) -> None:
    with redis.Redis.from_url(broker.broker_url) as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(BrokerUnavailable):
            await publisher.publish([make_message("t"), make_message("t")])
        client.config_set("maxmemory", "0")
    message = make_message("t")
    assert (await publisher.publish([message])).sent == {message.task_id}


async def test_a_key_that_may_not_be_written_is_the_fate_of_its_message_and_no_right_to_write_that_of_all(
    broker: FragileBroker, publisher: Publisher
) -> None:
    bad, good = make_message("t", "s3cret", queue_name="others"), make_message("t")
    with redis.Redis.from_url(broker.broker_url) as client:
        client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~celery*")
        with capture_logs() as logs:
            published = await publisher.publish([bad, good])
        assert (set(published.sent), set(published.refused)) == ({good.task_id}, {bad.task_id})
        assert "s3cret" not in f"{published}{logs}"
        client.execute_command("ACL", "SETUSER", "default", "allkeys", "-lpush")
        with pytest.raises(BrokerUnavailable):
            await publisher.publish([good])
        client.execute_command("ACL", "SETUSER", "default", "+lpush")
        assert (await publisher.publish([good])).sent


async def test_a_message_that_breaks_the_connection_is_found_and_the_others_are_sent_once(
    broker: FragileBroker, publisher: Publisher, queues: QueueReader
) -> None:
    with redis.Redis.from_url(broker.broker_url) as client:
        client.config_set("proto-max-bulk-len", 1024 * 1024)
        messages = [make_message("t", "x" * 2_000_000 if n == 5 else "x") for n in range(10)]
        waiting, refused = {message.task_id: message for message in messages}, set[str]()
        for _ in range(3):
            published = await publisher.publish(list(waiting.values()))
            refused |= published.refused.keys()
            for task_id in (*published.sent, *published.refused):
                del waiting[task_id]
            if not waiting:
                break
        client.config_set("proto-max-bulk-len", 512 * 1024 * 1024)
    assert (refused, list(waiting)) == ({messages[5].task_id}, [])
    assert await queues.depths(["celery"]) == {"celery": 9}


async def test_a_batch_of_large_messages_is_sent_in_portions_and_once(
    publisher: Publisher, queues: QueueReader
) -> None:
    waiting = {message.task_id: message for message in [make_message("t", "x" * 1_000_000) for _ in range(40)]}
    while waiting:
        published = await publisher.publish(list(waiting.values()))
        assert published.sent, "nothing got on"
        for task_id in published.sent:
            del waiting[task_id]
    assert await queues.depths(["celery"]) == {"celery": 40}
