"""What the rest of Celeriac relies on, held true for the real gateway and for its fake."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import BrokerUnavailable, Unavailable
from gateway.events.subscriber import Heard
from gateway.publisher import Published
from gateway.results.metas import MAX_RESULT_BYTES
from tests.gateway_messages import make_message
from tests.integration.gateway.conftest import World, next_blind, next_events


async def test_what_is_published_lies_in_its_queue(world: World) -> None:
    messages = [make_message("t", queue_name=name, priority=priority) for name in "ab" for priority in range(1, 11)]
    assert (await world.publisher.publish(messages)).sent == {message.task_id for message in messages}
    assert await world.queues.depths(["a", "b", "none"]) == {"a": 10, "b": 10, "none": 0}
    assert await world.queues.ids_in_queues(["a"]) == {message.task_id for message in messages[:10]}
    assert await world.queues.ids_in_queues(["a", "b"], among=[messages[3].task_id, "x"]) == {messages[3].task_id}


async def test_which_life_of_the_broker_took_a_message_is_known(world: World) -> None:
    life = (await world.queues.get_life()).life
    assert life
    message = make_message("t")
    assert (await world.publisher.publish([message])).lives == {message.task_id: life}


async def test_a_second_publish_of_a_task_is_a_second_message(world: World) -> None:
    message = make_message("t")
    for _ in range(2):
        assert (await world.publisher.publish([message])).sent == {message.task_id}
    assert await world.queues.depths(["celery"]) == {"celery": 2}


async def test_nothing_published_is_nothing_sent(world: World) -> None:
    assert await world.publisher.publish([]) == Published()
    assert await world.queues.depths([]) == {}
    assert await world.queues.ids_in_queues([]) == set()


async def test_without_a_broker_everything_says_so(world: World) -> None:
    await world.queues.ping()
    world.lose_broker()
    with pytest.raises(BrokerUnavailable):
        await world.publisher.publish([make_message("t")])
    with pytest.raises(BrokerUnavailable):
        await world.queues.ping()
    with pytest.raises(BrokerUnavailable):
        await world.queues.depths(["celery"])
    with pytest.raises(BrokerUnavailable):
        await world.queues.ids_in_queues(["celery"])
    with pytest.raises(BrokerUnavailable):
        await world.control.ping(["w@h"])
    with pytest.raises(BrokerUnavailable):
        await world.control.find_nodes(wait_seconds=0.1)
    with pytest.raises(BrokerUnavailable):
        await world.control.revoke(["t"])
    with pytest.raises(Unavailable):
        await world.results.fetch(["t"])


async def test_one_result_can_be_had_whole(world: World) -> None:
    large = "x" * (MAX_RESULT_BYTES + 1)
    world.store_meta("large", json.dumps({"status": "SUCCESS", "result": large}).encode())
    assert (await world.results.fetch(["large"]))["large"].result_truncated is True
    whole = await world.results.fetch_whole("large")
    assert whole is not None
    assert (whole.result_json, whole.result_truncated) == (json.dumps(large), False)
    assert await world.results.fetch_whole("unknown") is None
    world.lose_broker()
    with pytest.raises(Unavailable):
        await world.results.fetch_whole("large")


async def test_results_are_found_by_task(world: World) -> None:
    world.store_meta("done", b'{"status": "SUCCESS", "result": [1, 2]}')
    world.store_meta("pickled", b"\x80\x04")
    found = await world.results.fetch(["done", "pickled", "unknown"])
    assert {task_id: (result.state, result.result_json) for task_id, result in found.items()} == {
        "done": ("SUCCESS", "[1, 2]"),
        "pickled": ("", None),
    }
    assert found["pickled"].unreadable
    assert await world.results.fetch([]) == {}


async def test_the_first_thing_heard_is_since_when_we_listen(world: World) -> None:
    before = datetime.now(UTC)
    await world.events.start()
    blind = await next_blind(world.events)
    assert before <= blind.started_at <= blind.ended_at <= datetime.now(UTC)
    assert world.events.connected


async def test_events_arrive_in_order_and_whole(world: World) -> None:
    await world.events.start()
    await next_blind(world.events)
    for number in range(5):
        world.send_event({"type": "task-custom", "uuid": f"t-{number}", "text": "é"})
    heard = await next_events(world.events, 5)
    assert [event["uuid"] for event in heard] == [f"t-{number}" for number in range(5)]
    assert {event["text"] for event in heard} == {"é"}
    await world.events.acknowledge()


async def test_silence_is_an_empty_answer_in_time(world: World) -> None:
    await world.events.start()
    await next_blind(world.events)
    began = time.monotonic()
    assert await world.events.get(max_wait=0.2) == Heard()
    assert 0.15 < time.monotonic() - began < 5


async def test_a_batch_is_never_larger_than_asked_for(world: World) -> None:
    await world.events.start()
    await next_blind(world.events)
    for number in range(3):
        world.send_event({"type": "task-custom", "uuid": str(number)})
    seen: list[Any] = []
    while len(seen) < 3:
        batch = await world.events.get(max_size=2)
        assert isinstance(batch, Heard)
        assert len(batch.messages) <= 2
        seen += [json.loads(message.body)["uuid"] for message in batch.messages]
    assert seen == ["0", "1", "2"]


async def test_nodes_that_do_not_answer_are_missing_and_no_error(world: World) -> None:
    assert await world.control.ping([]) == frozenset()
    assert await world.control.describe([]) == {}
    assert await world.control.ping(["nobody@nowhere"]) == frozenset()
    assert await world.control.find_nodes(wait_seconds=0.1) == frozenset()
    assert await world.control.query_tasks(["t"], ["nobody@nowhere"]) == {}
    assert await world.control.list_active(["nobody@nowhere"]) == (frozenset(), {})
    await world.control.revoke(["t"], terminate=True)
