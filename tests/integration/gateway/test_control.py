"""Orders to a real prefork worker without the plugin's commands: what stock Celery does with them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.control import Control, Work
from gateway.descriptions import NodeDescription
from gateway.publisher import Publisher
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.patience import PATIENCE_SECONDS, until
from tests.worker_process import WorkerProcess, celery_worker

Answer = TypeVar("Answer")

STOCK_APP = """
import os
import time

from celery import Celery

app = Celery("stock", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])


@app.task(name="stock.sleep")
def sleep(seconds):
    time.sleep(seconds)
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileBroker]:
    with fragile_broker(tmp_path_factory.mktemp("valkey")) as broker:
        yield broker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    (folder / "stock.py").write_text(STOCK_APP)
    return folder


@pytest.fixture
def worker(broker: FragileBroker, folder: Path) -> Iterator[WorkerProcess]:
    with celery_worker(
        folder, broker.broker_url, result_url=broker.result_url, app="stock", options=("-c", "2", "-Q", "one,two")
    ) as worker:
        yield worker


@pytest.fixture
async def control(broker: FragileBroker) -> AsyncIterator[Control]:
    control = Control(broker.broker_url)
    yield control
    await control.close()


async def test_a_stock_worker_is_paused_resumed_resized_and_sent_away(
    broker: FragileBroker, worker: WorkerProcess, control: Control
) -> None:
    async def told() -> NodeDescription:
        return (await control.describe([worker.node]))[worker.node]

    description = await told()
    assert (description.plugin, description.protocol, description.capabilities) == (None, None, ())
    assert (description.queues, description.autoscales, description.paused) == (("one", "two"), False, None)
    for command in (control.pause, control.resume):
        assert not await command(worker.node), "a stock worker does not know the plugin's commands"

    await control.set_consuming(worker.node, ["one", "two"], consuming=False)
    await _until(told, lambda now: now.queues == ())
    await control.set_consuming(worker.node, ["one", "two"], consuming=True)
    await _until(told, lambda now: now.queues == ("one", "two"))

    assert await control.resize(worker.node, 2)
    await _until(told, lambda now: now.concurrency == 4)
    running = [make_message("stock.sleep", 3, queue_name="one") for _ in range(4)]
    publisher = Publisher(broker.broker_url)
    await publisher.publish(running)
    await publisher.close()
    ids = {message.task_id for message in running}
    await _until(lambda: _work(control, worker.node), lambda work: set(work.active) == ids)
    assert not await control.resize(worker.node, -1), "all processes are busy"

    await control.shut_down(worker.node)
    assert await asyncio.to_thread(worker.process.wait, PATIENCE_SECONDS) == 0
    assert worker.log.read_text().count("succeeded in") == 4
    assert await control.list_work([worker.node]) == {}
    assert not await control.resize(worker.node, 1)


async def test_a_worker_that_scales_itself_says_so_and_refuses(
    broker: FragileBroker, folder: Path, control: Control
) -> None:
    options = ("--autoscale", "3,1", "-Q", "three")
    with celery_worker(
        folder, broker.broker_url, result_url=broker.result_url, app="stock", name="scaling", options=options
    ) as worker:
        assert (await control.describe([worker.node]))[worker.node].autoscales
        assert not await control.resize(worker.node, 1)


async def _work(control: Control, node: str) -> Work:
    return (await control.list_work([node])).get(node, Work(()))


async def _until(question: Callable[[], Awaitable[Answer]], fact: Callable[[Answer], bool]) -> Answer:
    """The first answer of which the fact holds."""

    async def asked() -> tuple[Answer] | None:
        answer = await question()
        return (answer,) if fact(answer) else None

    return (await until(asked))[0]
