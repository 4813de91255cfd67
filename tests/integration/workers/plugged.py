"""A worker with the plugin, and an app whose tasks write down each run, so that a run too many is seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from celery.result import AsyncResult
from kombu import pools

from tests.celery_apps import close_app
from tests.patience import PATIENCE_SECONDS
from tests.worker_process import WorkerProcess, celery_worker

HEADER = "celeriac_dispatch_no"

APP = """
import os
import signal
import time
from pathlib import Path

from celery import Celery
from celery.exceptions import Reject
from celeriac_worker import install

app = Celery("plugged", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.update(
    result_extended=True,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
install(app)
RUNS = Path(os.environ["RUNS"])


def note(mark):
    with RUNS.open("a") as runs:
        runs.write(f"{mark}\\n")
    return RUNS.read_text().split().count(mark)


@app.task(name="p.nap", acks_late=True)
def nap(mark, seconds=0.0):
    note(mark)
    time.sleep(seconds)


@app.task(name="p.early_nap")
def early_nap(mark, seconds=0.0):
    note(mark)
    time.sleep(seconds)


@app.task(name="p.rejects_once", acks_late=True)
def rejects_once(mark):
    if note(mark) == 1:
        raise Reject("once more", requeue=True)


@app.task(name="p.dies", acks_late=True, retry_on_worker_lost=True, max_retries=3, default_retry_delay=0)
def dies(mark):
    note(mark)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class Plant:
    """What a test needs around a worker: servers, a client, and the list of runs."""

    folder: Path
    broker_url: str
    result_url: str
    redis_url: str
    app: Celery = field(init=False)
    store: Any = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "plugged.py").write_text(APP)
        self._runs.touch()
        self._connect()
        self.store = redis.Redis.from_url(self.redis_url, decode_responses=True)

    def _connect(self) -> None:
        self.app = Celery(broker=self.broker_url, backend=self.result_url, set_as_current=False)

    def cut_connections(self) -> None:
        """Of everybody to the broker, a Redis; ours are made anew."""
        close_app(self.app)
        pools.reset()
        with redis.Redis.from_url(self.broker_url) as broker:
            broker.client_kill_filter(_type="normal", skipme=True)
        self._connect()

    @property
    def _runs(self) -> Path:
        return self.folder / "runs"

    def runs(self) -> list[str]:
        """A mark for each run, oldest first."""
        return self._runs.read_text().split()

    def send(self, task: str, mark: str, *arguments: Any, ours: bool = True, **options: Any) -> AsyncResult[Any]:
        """As Celeriac publishes it, or with `ours` false as others do."""
        headers = {HEADER: 1} if ours else {}
        return self.app.send_task(
            f"p.{task}", (mark, *arguments), headers=headers | options.pop("headers", {}), **options
        )

    def order(self, worker: WorkerProcess, command: str, **arguments: Any) -> Any:
        """The worker's answer. On Redis a worker misses what is said while it connects: it is said again."""
        for _ in range(5):
            answers = self.app.control.broadcast(
                command, arguments=arguments, destination=[worker.node], reply=True, limit=1, timeout=PATIENCE_SECONDS
            )
            if answers:
                return answers[0][worker.node]
        raise AssertionError(f"{worker.node} did not answer {command}")

    @contextmanager
    def worker(self, pool: str = "prefork", name: str = "worker", *, concurrency: int = 2) -> Iterator[WorkerProcess]:
        with celery_worker(
            self.folder,
            self.broker_url,
            result_url=self.result_url,
            app="plugged",
            name=name,
            options=("--pool", pool, "--concurrency", str(concurrency)),
            environment={"RUNS": str(self._runs), "CELERIAC_REDIS_URL": self.redis_url},
        ) as worker:
            yield worker

    def close(self) -> None:
        close_app(self.app)
        self.store.close()


@contextmanager
def plant(folder: Path, broker_url: str, *, result_url: str, redis_url: str) -> Iterator[Plant]:
    made = Plant(folder, broker_url, result_url, redis_url)
    try:
        yield made
    finally:
        made.close()
