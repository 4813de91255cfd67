"""Messages taken back from a real Valkey, and from workers that were killed there."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from celery import Celery

from domain.broker_options import STOCK_PRIORITY_STEPS, TEN_PRIORITY_STEPS, BrokerOptions
from gateway.control import Control
from gateway.layout import Layout
from gateway.message_mover import MessageMover
from gateway.presence import Presence
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from tests.celery_apps import wait_for_result
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.patience import PATIENCE_SECONDS, until
from tests.worker_process import STOCK_APP, celery_worker

KNOWN = Layout(BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS))


class Gateway:
    """What the tests look through."""

    def __init__(self, broker: FragileBroker) -> None:
        self.broker_url = broker.broker_url
        self.publisher, self.queues = Publisher(broker.broker_url), QueueReader(broker.broker_url)
        self.mover, self.control = MessageMover(broker.broker_url, KNOWN), Control(broker.broker_url)
        self.presence = Presence(broker.broker_url, self.control)

    async def held(self, *, at_least: int) -> set[str]:
        """What consumers hold, once it is so much."""

        async def asked() -> tuple[set[str]] | None:
            held = await self.queues.ids_in_queues([]) or set()
            return (held,) if len(held) >= at_least else None

        (held,) = await until(asked)
        return held


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[FragileBroker]:
    (tmp_path / "stock.py").write_text(STOCK_APP)
    with fragile_broker(tmp_path / "valkey") as broker:
        yield broker


@pytest.fixture
async def gateway(broker: FragileBroker) -> AsyncIterator[Gateway]:
    gateway = Gateway(broker)
    async with AsyncExitStack() as stack:
        for part in (gateway.publisher, gateway.queues, gateway.mover, gateway.control, gateway.presence):
            stack.push_async_callback(part.close)
        yield gateway


async def test_a_waiting_message_is_withdrawn_wherever_it_lies_in_its_queue(gateway: Gateway) -> None:
    messages = [make_message("t", queue_name="deep", priority=1 + n % 10) for n in range(1_200)]
    await gateway.publisher.publish(
        messages, lists={"deep": BrokerOptions(priority_steps=TEN_PRIORITY_STEPS).lists_of("deep")}
    )
    first, middle, last = messages[0], messages[600], messages[-1]
    for message in (first, middle, last):
        assert await gateway.mover.withdraw(message.task_id, "deep")
        assert not await gateway.mover.withdraw(message.task_id, "deep")
    assert await gateway.queues.depths(["deep"]) == {"deep": 1_197}
    gone = {message.task_id for message in (first, middle, last)}
    assert await gateway.queues.ids_in_queues(["deep"], among=gone) == set()


async def test_every_copy_of_a_message_is_withdrawn_and_no_message_that_only_names_it(gateway: Gateway) -> None:
    wanted = make_message("t")
    await gateway.publisher.publish([wanted])
    await gateway.publisher.publish([wanted, make_message("t", wanted.task_id)])
    assert await gateway.mover.withdraw(wanted.task_id, "celery")
    assert await gateway.queues.depths(["celery"]) == {"celery": 1}
    assert not await gateway.mover.withdraw("unknown", "celery")


async def test_what_a_killed_worker_held_goes_back_in_its_order_and_runs_once(
    broker: FragileBroker, gateway: Gateway, tmp_path: Path
) -> None:
    blocking, *prefetched = [make_message("stock.late", 60 if n == 0 else 0, priority=8) for n in range(4)]
    with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock") as worker:
        await gateway.publisher.publish([blocking, *prefetched])
        held = await gateway.held(at_least=4)
        worker.kill()
    assert held == {message.task_id for message in (blocking, *prefetched)}
    assert await gateway.mover.discard([blocking.task_id]) == {blocking.task_id}
    assert await gateway.mover.put_back(held) == {message.task_id for message in prefetched}
    assert await gateway.mover.put_back(held) == frozenset()
    assert await gateway.held(at_least=0) == set()
    assert await gateway.queues.depths(["celery"]) == {"celery": 3}
    with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock", name="second") as worker:
        await asyncio.to_thread(_wait_for, broker, [message.task_id for message in prefetched])
        log = worker.log.read_text()
    received = [message.task_id for line in log.splitlines() for message in prefetched if _is_receipt(line, message)]
    assert received == [message.task_id for message in prefetched]
    with redis.Redis.from_url(broker.broker_url) as client:
        assert client.exists("unacked", "unacked_index") == 0


async def test_a_message_of_a_foreign_publisher_goes_back_through_its_exchange(
    broker: FragileBroker, gateway: Gateway, tmp_path: Path
) -> None:
    with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock") as worker:
        with Celery(broker=broker.broker_url, set_as_current=False) as app:
            sent = [app.send_task("stock.late", [60], priority=5).id for _ in range(2)]
        await gateway.held(at_least=2)
        worker.kill()
    assert await gateway.mover.put_back(sent) == set(sent)
    assert await gateway.queues.ids_in_queues(["celery"]) == set(sent)


async def test_only_a_node_without_a_connection_is_absent(
    broker: FragileBroker, gateway: Gateway, tmp_path: Path
) -> None:
    with (
        celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock") as worker,
        celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock", name="other") as other,
    ):
        both = [worker.node, other.node]
        assert await gateway.presence.find_absent(both) == frozenset()
        worker.freeze()
        assert await gateway.presence.find_absent(both) == frozenset(), "it is silent, and holds its messages"
        worker.thaw()
        worker.kill()
        assert await until(lambda: gateway.presence.find_absent(both)) == {worker.node}


def _wait_for(broker: FragileBroker, task_ids: list[str]) -> None:
    for task_id in task_ids:
        wait_for_result(broker.result_url, task_id, seconds=PATIENCE_SECONDS)


def _is_receipt(line: str, message: object) -> bool:
    return f"{message.task_id}] received" in line  # type: ignore[attr-defined]


async def test_a_key_of_another_kind_holds_no_message_of_the_task(gateway: Gateway) -> None:
    message = make_message("t", queue_name="cart")
    await gateway.publisher.publish([message], lists={"cart": {3: "cart\x06\x163"}})
    with redis.Redis.from_url(gateway.broker_url) as client:
        client.hset("cart", "item", "1")
    assert await gateway.mover.withdraw(message.task_id, "cart") is True


async def test_a_message_whose_queue_has_become_a_key_of_another_kind_stays_where_it_is(gateway: Gateway) -> None:
    message = make_message("t", queue_name="cart", priority=10)
    await gateway.publisher.publish([message])
    with redis.Redis.from_url(gateway.broker_url) as client:
        raw = client.rpop("cart")
        client.hset("unacked", "tag", json.dumps([json.loads(raw), "", "cart"]))
        client.zadd("unacked_index", {"tag": 1})
        client.hset("cart", "item", "1")
        assert await gateway.mover.put_back([message.task_id]) == frozenset()
        assert client.hlen("unacked") == 1
        client.delete("cart")
    assert await gateway.mover.put_back([message.task_id]) == {message.task_id}
    assert await gateway.queues.depths(["cart"]) == {"cart": 1}


async def test_hostile_entries_keep_no_message_from_being_put_back(broker: FragileBroker, gateway: Gateway) -> None:
    sound = {"headers": {"id": "sound"}, "properties": {"priority": 99}, "body": ""}
    deep = b"[" * 100_000 + b"]" * 100_000
    hostile: dict[str, bytes] = {
        "deep": b'[{"headers": {"id": "sound"}, "z": ' + deep + b'}, "", "celery"]',
        "long": b'[{"headers": {"id": "sound"}, "z": ' + b"9" * 5_000 + b'}, "", "celery"]',
        "bare": b'[{"headers": {"id": "sound"}}, "", "bare"]',
        "listed": b'[{"headers": {"id": "sound"}, "properties": []}, "", "celery"]',
        "odd": b'[{"headers": {"id": "sound"}, "properties": {"delivery_info": 7}}, "", "celery"]',
        "nul": b'[{"headers": {"id": "so\\u0000und"}}, "", "celery"]',
        "no queue": b'[{"headers": {"id": "sound"}, "properties": {}}, "", "a-set"]',
        "no exchange": b'[{"headers": {"id": "sound"}, "properties": {}}, "wrong", "celery"]',
        "half": b'[{"headers": {"id": "sound"}}, ""',
    }
    with redis.Redis.from_url(broker.broker_url) as server:
        server.sadd("a-set", "member")
        server.set("_kombu.binding.wrong", "text")
        for tag, entry in hostile.items():
            server.hset("unacked", tag, entry)
            server.zadd("unacked_index", {tag: 1})
        server.hset("unacked", b"\xff", json.dumps([sound, "", "celery"]))
        server.hset("unacked", "tag", json.dumps([sound, "", "celery"]))
        server.zadd("unacked_index", {"tag": 1, b"\xff": 1})
        fetched = await gateway.mover.list_fetched(before=datetime.now(UTC), limit=100)
        assert "tag" in {held.tag for held in fetched}
        assert await gateway.queues.ids_in_queues(["celery", "a-set", "_kombu.binding.wrong"]) == {"sound"}
        assert await gateway.queues.depths(["a-set", "celery"]) == {"a-set": 0, "celery": 0}
        assert await gateway.mover.put_back({"sound"}) == {"sound"}
        assert server.llen("celery\x06\x169") == 1, "that of the least urgent step"
        assert server.hexists("unacked", "no queue"), "what names something else as its queue stays where it is"
