"""Fleets that use the broker by other options than Celery's own, on a real Valkey with a real worker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from celery import Celery

from domain.broker_options import BrokerOptions
from domain.consumers import Consumer, Consumers
from gateway.control import Control
from gateway.events.sources import RedisEvents
from gateway.foreign_prefixes import ForeignPrefixes
from gateway.layout import Layout
from gateway.message_mover import MessageMover
from gateway.messages import TaskMessage
from gateway.presence import Presence
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.patience import until
from tests.worker_process import WorkerProcess, celery_worker

OPTIONS = {
    "sep": ":",
    "priority_steps": [0, 2, 4, 6, 8],
    "global_keyprefix": "shop:",
    "unacked_key": "mine.unacked",
    "unacked_index_key": "mine.unacked_index",
    "unacked_mutex_key": "mine.unacked_mutex",
}
APP = f"""
import os
import time

from celery import Celery

app = Celery("shop", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.broker_transport_options = {OPTIONS}
app.conf.result_backend_transport_options = {{"global_keyprefix": "shop"}}
app.conf.task_acks_late = True


@app.task(name="shop.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds
"""
OWN = BrokerOptions.from_transport_options(OPTIONS)
PREFIX_ALONE = BrokerOptions(global_keyprefix="shop:")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[FragileBroker]:
    (tmp_path / "shop.py").write_text(APP)
    with fragile_broker(tmp_path / "valkey") as broker:
        yield broker


@pytest.fixture
def worker(broker: FragileBroker, tmp_path: Path) -> Iterator[WorkerProcess]:
    with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="shop", answers=False) as worker:
        yield worker


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_such_a_worker_is_asked_heard_served_and_looked_after(
    broker: FragileBroker, worker: WorkerProcess, opened: AsyncExitStack
) -> None:
    layout = Layout(OWN)
    control = Control(broker.broker_url, OWN)
    presence, publisher = Presence(broker.broker_url, control, options=OWN), Publisher(broker.broker_url, options=OWN)
    queues, mover = QueueReader(broker.broker_url, layout), MessageMover(broker.broker_url, layout)
    results = ResultReader(broker.result_url, prefix="shop")
    for part in (control, presence, publisher, queues, mover, results):
        opened.push_async_callback(part.close)
    events = RedisEvents(broker.broker_url, OWN)
    assert events.connect()
    opened.callback(events.close)

    described = (await control.describe([worker.node]))[worker.node]
    assert described.options == OWN
    layout.learn(Consumers([Consumer(worker.node, True, frozenset(described.queues), options=described.options)]))
    messages = [make_message("shop.sleep", 0, priority=priority) for priority in range(1, 11)]
    await publisher.publish(messages)
    await until(lambda: have_ended(results, messages))
    assert await asyncio.to_thread(events.receive, 10), "it sends heartbeats and tells of its tasks"

    running, waiting = make_message("shop.sleep", 60, priority=6), make_message("shop.sleep", 0, queue_name="other")
    await publisher.publish([running, waiting])
    await until(lambda: is_fetched(mover, running.task_id))
    assert await queues.ids_in_queues(["other"]) == {running.task_id, waiting.task_id}
    assert await queues.depths(["other"]) == {"other": 1}
    assert await mover.withdraw(waiting.task_id, "other")
    assert await presence.find_absent([worker.node]) == frozenset()
    worker.kill()
    assert await until(lambda: presence.find_absent([worker.node])) == {worker.node}
    assert await mover.put_back([running.task_id]) == {running.task_id}
    with redis.Redis.from_url(broker.broker_url, decode_responses=True) as client:
        assert client.llen("shop:celery:4") == 1
        beside = [key for key in client.scan_iter("*") if not key.startswith("shop:")]
        assert not beside, "nothing lies outside of the prefix"


async def test_workers_behind_a_prefix_that_we_do_not_have_are_found_and_named(
    broker: FragileBroker, worker: WorkerProcess, opened: AsyncExitStack
) -> None:
    blind, seeing, elsewhere = (
        ForeignPrefixes(broker.broker_url, Layout(), asked_each_seconds=0),
        ForeignPrefixes(broker.broker_url, Layout(PREFIX_ALONE)),
        ForeignPrefixes(broker.result_url, Layout()),
    )
    for part in (blind, seeing, elsewhere):
        opened.push_async_callback(part.close)
    found = (await until(blind.differences))["global_keyprefix"]
    assert found.workers == 1
    assert """CELERIAC_BROKER_TRANSPORT_OPTIONS='{"global_keyprefix": "shop:"}'""" in found.meaning
    assert await seeing.differences() == {}
    assert await elsewhere.differences() == {}, "they are in another database"
    worker.kill()
    await until(lambda: has_no_differences(blind), "its key stays, and nobody listens")


async def have_ended(results: ResultReader, messages: list[TaskMessage]) -> bool:
    return len(await results.fetch([message.task_id for message in messages])) == len(messages)


async def is_fetched(mover: MessageMover, task_id: str) -> bool:
    return task_id in {held.task_id for held in await mover.list_fetched(before=_now(), limit=10)}


async def has_no_differences(prefixes: ForeignPrefixes) -> bool:
    return not await prefixes.differences()


async def test_what_is_not_known_to_be_read_is_left_to_the_broker(
    broker: FragileBroker, opened: AsyncExitStack
) -> None:
    """An app's own message, held by a worker that is gone: only what this worker said tells where it is looked for."""
    layout = Layout()
    mover = MessageMover(broker.broker_url, layout)
    opened.push_async_callback(mover.close)
    with (
        Celery(broker=broker.broker_url, set_as_current=False) as app,
        redis.Redis.from_url(broker.broker_url) as client,
    ):
        sent = app.send_task("shop.sleep", [60], priority=5).id
        raw = client.rpop("celery\x06\x163")
        client.hset("unacked", "tag", json.dumps([json.loads(raw), "", "celery"]))
        client.zadd("unacked_index", {"tag": 1})
        for consumers in (Consumers(), _consumers("other", 0, 3), _consumers("other", 0)):
            layout.learn(consumers)
            assert await mover.put_back([sent]) == frozenset()
            fetched = await mover.list_fetched(before=_now(), limit=10)
            assert await mover.put_back_fetched(fetched, before=_now()) == frozenset()
        assert client.hlen("unacked") == 1
        layout.learn(_consumers("celery", 0))
        assert await mover.put_back([sent]) == {sent}
        assert (client.llen("celery"), client.hlen("unacked")) == (1, 0)


async def test_a_question_that_nobody_answers_gives_out_nothing_that_a_worker_has_held_for_long(
    broker: FragileBroker, opened: AsyncExitStack
) -> None:
    """Whoever waits on a queue of kombu's also looks for what has not been acknowledged for an hour."""
    control = Control(broker.broker_url)
    opened.push_async_callback(control.close)
    two_hours_ago = time.time() - 7_200
    message = {"headers": {"id": "long"}, "properties": {"priority": 0, "delivery_info": {}}, "body": ""}
    with redis.Redis.from_url(broker.broker_url) as client:
        client.hset("unacked", "tag", json.dumps([message, "", "celery"]))
        client.zadd("unacked_index", {"tag": two_hours_ago})
        assert await control.ping(["nobody@nowhere"]) == frozenset()
        assert await control.find_nodes(wait_seconds=0.2) == frozenset()
        assert (client.hlen("unacked"), client.llen("celery")) == (1, 0)


def _consumers(queue_name: str, *steps: int) -> Consumers:
    return Consumers([Consumer("one", False, frozenset({queue_name}), options=BrokerOptions(priority_steps=steps))])


def _now() -> datetime:
    return datetime.now(UTC)
