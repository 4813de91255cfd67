"""Ten levels in exact order on both brokers: the most urgent first, and within a level the first come."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rabbitmq import rabbitmq
from domain.broker_options import TEN_PRIORITY_STEPS, BrokerOptions
from gateway.publisher import Publisher
from tests.gateway_broker import fragile_broker
from tests.gateway_messages import make_message
from tests.patience import wait_for
from tests.rabbitmq import needs_rabbitmq
from tests.worker_process import celery_worker

RECEIVED = re.compile(r"Task celeriac\.add\[([^]]+)\] received")
BROKERS = (
    "redis",
    pytest.param(
        "rabbitmq",
        marks=needs_rabbitmq,
    ),
)


@pytest.fixture(params=BROKERS)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Of a broker and a result backend."""
    with fragile_broker(tmp_path / "valkey") as valkey:
        if request.param == "redis":
            yield valkey.broker_url, valkey.result_url
        else:
            folder = tmp_path / "rabbitmq"
            folder.mkdir()
            with rabbitmq(folder) as url:
                yield url, valkey.result_url


async def test_a_worker_of_ours_takes_ten_levels_in_exact_order(urls: tuple[str, str], tmp_path: Path) -> None:
    broker_url, result_url = urls
    with celery_worker(tmp_path, broker_url, result_url=result_url, name="first"):
        pass  # so that RabbitMQ has the queue
    messages = [make_message("celeriac.add", 1, 1, priority=1 + number % 10) for number in range(40)]
    random.Random(4).shuffle(messages)
    publisher = Publisher(broker_url)
    sent = (
        await publisher.publish(
            messages, lists={"celery": BrokerOptions(priority_steps=TEN_PRIORITY_STEPS).lists_of("celery")}
        )
    ).sent
    await publisher.close()
    assert sent == {message.task_id for message in messages}
    # With the gate, whatever the broker: it must let a worker begin with a full queue.
    with celery_worker(
        tmp_path, broker_url, result_url=result_url, environment={"CELERIAC_REDIS_URL": result_url}
    ) as worker:
        wait_for(lambda: len(RECEIVED.findall(worker.log.read_text())) == len(messages))
        received = RECEIVED.findall(worker.log.read_text())
    expected = sorted(messages, key=lambda message: -message.priority)
    assert received == [message.task_id for message in expected]
