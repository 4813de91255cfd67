"""A worker without our plugin takes what we send, whatever its priority."""

from pathlib import Path

import pytest

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from domain.results import StoredResult
from gateway.control import Control
from gateway.publisher import Publisher
from gateway.results.reader import ResultReader
from tests.gateway_broker import fragile_broker
from tests.gateway_messages import make_message
from tests.patience import until
from tests.worker_process import celery_worker

STOCK_APP = """
import os

from celery import Celery

app = Celery("stock", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])


@app.task(name="stock.echo")
def echo(value):
    return value


@app.task(name="stock.retry", bind=True, max_retries=3)
def retry(self):
    raise self.retry(exc=ValueError("again"), countdown=0)
"""


async def test_a_stock_worker_runs_every_priority_the_most_urgent_first(tmp_path: Path) -> None:
    (tmp_path / "stock.py").write_text(STOCK_APP)
    messages = [make_message("stock.echo", priority, priority=priority) for priority in range(1, 11)]
    with fragile_broker(tmp_path / "valkey") as broker:
        publisher, control, results = (
            Publisher(broker.broker_url),
            Control(broker.broker_url),
            ResultReader(broker.result_url),
        )
        await publisher.publish(
            messages, lists={"celery": BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS).lists_of("celery")}
        )
        ids = [message.task_id for message in messages]
        with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock") as worker:

            async def all_ended() -> dict[str, StoredResult] | None:
                found = await results.fetch(ids)
                return found if len(found) == len(messages) else None

            found = await until(all_ended)
            description = (await control.describe([worker.node]))[worker.node]
            log = worker.log.read_text()
        for part in (publisher, control, results):
            await part.close()
    assert (description.plugin, description.priority_steps) == (None, ())
    assert "ERROR" not in log, "the gateway asks nothing that a stock worker does not know"
    ended = sorted(messages, key=lambda message: str(found[message.task_id].date_done))
    bands = [9, 6, 6, 6, 3, 3, 3, 0, 0, 0]
    assert [bands[message.priority - 1] for message in ended] == sorted(bands)


@pytest.mark.parametrize(("base", "runs"), [(0, 4), (2, 2), (3, 1)])
async def test_a_stock_worker_is_held_to_fewer_retries_by_the_start_of_its_count(
    tmp_path: Path, base: int, runs: int
) -> None:
    (tmp_path / "stock.py").write_text(STOCK_APP)
    message = make_message("stock.retry", retries_base=base)
    with fragile_broker(tmp_path / "valkey") as broker:
        publisher, control, results = (
            Publisher(broker.broker_url),
            Control(broker.broker_url),
            ResultReader(broker.result_url),
        )
        await publisher.publish([message])
        with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url, app="stock") as worker:

            async def has_ended() -> bool:
                found = (await results.fetch([message.task_id])).get(message.task_id)
                return found is not None and found.status is not None

            await until(has_ended)
            assert (await control.describe([worker.node]))[worker.node].retry_limits["stock.retry"] == 3
            received = worker.log.read_text().count(f"{message.task_id}] received")
        for part in (publisher, control, results):
            await part.close()
    assert received == runs
