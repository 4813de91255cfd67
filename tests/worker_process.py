"""A real Celery worker as a process of its own, stopped at the end of the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from tests.patience import PATIENCE_SECONDS, moments

ROOT = Path(__file__).parent.parent
STOP_SECONDS = 20
PYTHON = os.environ.get("WORKER_PYTHON", sys.executable)
"""Of the environment in which workers run: the tests of the plugin can be tried with another Celery."""

STOCK_APP = """
import os
import time

from celery import Celery

app = Celery("stock", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.worker_prefetch_multiplier = 4


@app.task(name="stock.early")
def early(seconds):
    time.sleep(seconds)


@app.task(name="stock.late", acks_late=True)
def late(seconds):
    time.sleep(seconds)
"""
"""A module of somebody else's: `stock.app`, with tasks that are acknowledged early and late."""


@dataclass
class WorkerProcess:
    """A running worker; `node` is its name to Celery."""

    node: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """As by the kernel: the children of prefork end with their parent's pipes."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Connected, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def celery_worker(
    folder: Path,
    broker_url: str,
    *,
    result_url: str,
    app: str = "tasks.app",
    name: str = "worker",
    options: tuple[str, ...] = ("--concurrency", "1"),
    environment: Mapping[str, str] | None = None,
    usual: tuple[str, ...] = ("-E", "--without-gossip", "--without-mingle"),
    python: str = PYTHON,
    answers: bool = True,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[WorkerProcess]:
    """A worker of `app`, started in `folder` and ready for work; without gossip and mingle, which only cost time.

    `answers`: whether it can be asked (else its log tells that it is ready). `python`: of another environment.
    `patience`: seconds until it is ready.
    """
    node = f"{name}@test"
    log = folder / f"{name}.log"
    command = [python, "-m", "celery", "-A", app, "worker", "-n", node, "-l", "info"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *usual, *options],
            cwd=folder,
            env=_environment(broker_url, result_url) | dict(environment or {}),
            stdout=output,
            stderr=output,
        )
    worker = WorkerProcess(node, process, log)
    try:
        _wait_until_ready(worker, broker_url if answers else None, patience=patience)
        yield worker
    finally:
        _stop(process)


def _environment(broker_url: str, result_url: str) -> dict[str, str]:
    return os.environ | {
        "CELERIAC_BROKER_URL": broker_url,
        "CELERIAC_RESULT_URL": result_url,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'workers'}",
    }


def _wait_until_ready(worker: WorkerProcess, broker_url: str | None, *, patience: float) -> None:
    """Until it answers at this broker; without one, until it says so."""
    app = Celery(broker=broker_url or "memory://", set_as_current=False)
    try:
        for _ in moments(patience):
            if worker.process.poll() is not None:
                break
            if broker_url is None:
                if " ready." in worker.log.read_text():
                    return
            elif app.control.ping(destination=[worker.node], limit=1, timeout=0.5):
                return
        raise RuntimeError(f"{worker.node} did not start:\n{worker.log.read_text()[-3000:]}")
    finally:
        app.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
