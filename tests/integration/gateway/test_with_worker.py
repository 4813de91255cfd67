"""The gateway and a real prefork worker of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.broker_options import TEN_PRIORITY_STEPS, BrokerOptions
from domain.results import StoredResult
from gateway.control import Control, HeldTask
from gateway.events.opening import open_source
from gateway.events.subscriber import EventSubscriber
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.integration.gateway.conftest import next_events
from tests.patience import PATIENCE_SECONDS, until
from tests.worker_process import WorkerProcess, celery_worker

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileBroker]:
    with fragile_broker(tmp_path_factory.mktemp("valkey")) as broker:
        yield broker


@pytest.fixture(scope="module")
def worker(broker: FragileBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    folder = tmp_path_factory.mktemp("worker")
    (folder / "a.txt").write_text("a")
    with celery_worker(
        folder, broker.broker_url, result_url=broker.result_url, options=("-c", "2", "-Q", "celery,second")
    ) as worker:
        yield worker


@pytest.fixture
async def publisher(broker: FragileBroker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.broker_url)
    yield publisher
    await publisher.close()


@pytest.fixture
async def control(broker: FragileBroker) -> AsyncIterator[Control]:
    control = Control(broker.broker_url)
    yield control
    await control.close()


async def test_a_node_describes_itself(worker: WorkerProcess, control: Control) -> None:
    assert await control.find_nodes() == {worker.node}
    assert await control.ping([worker.node, "nobody@nowhere"]) == {worker.node}
    description = (await control.describe([worker.node]))[worker.node]
    assert (description.pid, description.pool, description.concurrency) == (worker.process.pid, "prefork", 2)
    assert (description.queues, description.prefetch_count) == (("celery", "second"), 2)
    assert "celeriac.add" in description.registered
    assert not any("[" in name or name.startswith("celery.") for name in description.registered)
    assert description.plugin is not None
    assert description.priority_steps == tuple(range(10))
    assert description.options == BrokerOptions(priority_steps=TEN_PRIORITY_STEPS)


async def test_every_task_of_a_batch_is_run_whatever_its_priority(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher
) -> None:
    messages = [make_message("celeriac.add", 1, priority, priority=priority) for priority in range(1, 11)]
    await publisher.publish(messages[:5])
    await publisher.publish(
        messages[5:], lists={"celery": BrokerOptions(priority_steps=TEN_PRIORITY_STEPS).lists_of("celery")}
    )
    results = await _finished(broker, [message.task_id for message in messages])
    assert [results[message.task_id].result_json for message in messages] == [str(1 + p) for p in range(1, 11)]
    assert {(result.worker, result.queue, result.name) for result in results.values()} == {
        (worker.node, "celery", "celeriac.add")
    }


async def test_failures_tell_their_class_and_limits_are_kept(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher
) -> None:
    failing = make_message("celeriac.fail", "on purpose")
    slow = make_message("celeriac.sleep", 30, timeout_seconds=1)
    outside = make_message("celeriac.hash_file", "/etc/hostname")
    await publisher.publish([failing, slow, outside])
    results = await _finished(broker, [failing.task_id, slow.task_id, outside.task_id])
    assert (results[failing.task_id].exception_type, results[failing.task_id].exception_message) == (
        "RuntimeError",
        "on purpose",
    )
    assert "on purpose" in (results[failing.task_id].traceback or "")
    assert results[slow.task_id].exception_type == "TimeLimitExceeded"
    assert results[outside.task_id].exception_type == "PermissionError"


async def test_max_retries_of_the_message_is_the_ceiling_of_flaky(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher
) -> None:
    enough, too_few, own = (
        make_message("celeriac.flaky", "k", 5, max_retries=5),
        make_message("celeriac.flaky", "k", 5, max_retries=2),
        make_message("celeriac.flaky", "k", 5),
    )
    await publisher.publish([enough, too_few, own])
    results = await _finished(broker, [enough.task_id, too_few.task_id, own.task_id])
    assert results[enough.task_id].result_json == '{"key": "k", "attempts": 6}'
    assert (results[too_few.task_id].state, results[too_few.task_id].retries) == ("FAILURE", 2)
    assert (results[own.task_id].state, results[own.task_id].retries) == ("FAILURE", 3)


async def test_a_running_task_is_found_where_it_is_and_ends_when_revoked(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher, control: Control
) -> None:
    running = make_message("celeriac.sleep", 60)
    queues = QueueReader(broker.broker_url)
    await publisher.publish([running])
    expected = {running.task_id: HeldTask(worker.node, "active")}
    await _until(lambda: control.query_tasks([running.task_id, "x"], [worker.node]), expected)
    answered, active = await control.list_active([worker.node, "nobody@nowhere"])
    assert (set(answered), set(active), active[running.task_id].node) == ({worker.node}, {running.task_id}, worker.node)
    assert abs(datetime.now(UTC) - (active[running.task_id].started_at or NEVER)) < timedelta(seconds=PATIENCE_SECONDS)
    said = await control.ask_everyone([running.task_id, "x"])
    assert (said.replies, dict(said.holders)) == ({worker.node: 1}, expected)
    assert await queues.ids_in_queues(["celery"]) == {running.task_id}, "a running task is unacknowledged"
    await control.revoke([running.task_id], terminate=True)
    results = await _finished(broker, [running.task_id])
    assert results[running.task_id].state == "REVOKED"
    await _until(lambda: queues.ids_in_queues(["celery"]), set())
    await queues.close()


async def test_a_node_told_to_consume_a_queue_does_so(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher, control: Control
) -> None:
    assert await control.add_consumer("third", [worker.node, "nobody@nowhere"]) == {worker.node}
    message = make_message("celeriac.echo", queue_name="third")
    await publisher.publish([message])
    assert (await _finished(broker, [message.task_id]))[message.task_id].queue == "third"


async def test_the_events_of_a_task_are_heard_single_and_in_lists(
    broker: FragileBroker, worker: WorkerProcess, publisher: Publisher
) -> None:
    events = EventSubscriber(open_source(broker.broker_url))
    await events.start()
    await events.get(max_wait=5)
    message = make_message("celeriac.echo")
    await publisher.publish([message])
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "task-succeeded" not in seen:
            seen += [event["type"] for event in await next_events(events, 1) if event.get("uuid") == message.task_id]
    await events.close()
    assert seen == ["task-received", "task-started", "task-succeeded"]


async def _until(question: Callable[[], Awaitable[object]], answer: object) -> None:
    """Asks until the answer is this one."""

    async def asked() -> bool:
        return await question() == answer

    await until(asked)


async def _finished(broker: FragileBroker, task_ids: list[str]) -> dict[str, StoredResult]:
    """Their results, once all of them have ended."""
    reader = ResultReader(broker.result_url)

    async def ended() -> dict[str, StoredResult] | None:
        results = await reader.fetch(task_ids)
        return results if all(task_id in results and results[task_id].date_done for task_id in task_ids) else None

    try:
        return await until(ended)
    finally:
        await reader.close()
