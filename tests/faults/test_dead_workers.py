"""What becomes of the tasks of a worker that is killed, on both brokers, with a stock app that somebody else wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.rabbitmq import rabbitmq
from cli.addresses import read_addresses
from tests.acceptance.stack import Stack, running
from tests.patience import wait_for
from tests.rabbitmq import needs_rabbitmq
from tests.worker_process import STOCK_APP, WorkerProcess, celery_worker

QUEUE = "stock"


@pytest.fixture(
    params=[
        "redis",
        pytest.param(
            "rabbitmq",
            marks=needs_rabbitmq,
        ),
    ]
)
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "stock.py").write_text(STOCK_APP)
    if request.param == "redis":
        with running(tmp_path / "data") as stack:
            yield stack
        return
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    with rabbitmq(folder) as url, running(tmp_path / "data", CELERIAC_BROKER_URL=url) as stack:
        yield stack


def test_prefetched_tasks_run_elsewhere_and_a_run_is_lost_with_its_worker(stack: Stack, tmp_path: Path) -> None:
    addresses = read_addresses(tmp_path / "data")
    assert addresses is not None
    servers: dict[str, Any] = {"broker_url": addresses.broker_url, "result_url": addresses.result_url}
    options = ("--concurrency", "2", "-Q", QUEUE)
    with celery_worker(tmp_path, **servers, app="stock", name="first", options=options) as first:
        # It must be known how it acknowledges. That its tasks are accepted says less: unknown ones are, before that.
        wait_for(lambda: stack.is_described(first.node))
        early, late = (stack.submit(name, 120, queue_name=QUEUE) for name in ("stock.early", "stock.late"))
        for task_id in (early, late):
            wait_for(lambda task_id=task_id: stack.task(task_id)["status"] == "RUNNING")  # type: ignore[misc]
        prefetched = [stack.submit("stock.early", 0, queue_name=QUEUE) for _ in range(3)]
        for task_id in prefetched:
            wait_for(lambda task_id=task_id: stack.task(task_id)["phase"] == "reserved")  # type: ignore[misc]
        _kill_all(first)
    with celery_worker(tmp_path, **servers, app="stock", name="second", options=options):
        for task_id in prefetched:
            task = stack.wait_for_end(task_id)
            assert (task["status"], task["worker_hostname"]) == ("COMPLETED", "second@test")
            assert stack.events(task_id).count("started") == 1
        failed = stack.wait_for_end(early)
        assert (failed["status"], failed["attempts"][0]["state"]) == ("FAILED", "LOST")
        assert failed["error"].startswith("WorkerLost: first@test ended")
        again = wait_for(lambda: (task := stack.task(late))["status"] == "RUNNING" and task)
        assert [attempt["state"] for attempt in again["attempts"]] == ["LOST", "STARTED"]


def _kill_all(worker: WorkerProcess) -> None:
    """The host is gone, and with it the processes that ran the tasks."""
    children = psutil.Process(worker.process.pid).children(recursive=True)
    worker.kill()
    for child in children:
        child.kill()
