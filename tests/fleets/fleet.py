"""A Celery app that somebody else wrote, on a broker of its own, and a `celeriac up` beside it that starts no worker.

What really ran is counted, not believed: tasks call `ledger.note(label)`, which appends a line to a file.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.acceptance.stack import Stack, running
from tests.embedded import valkey
from tests.patience import PATIENCE_SECONDS
from tests.worker_process import WorkerProcess, celery_worker

LEDGER = '''
"""Imported by the apps of a fleet: one line for each real start of a task."""

import os
import time


def note(label):
    with open(os.environ["FLEET_LEDGER"], "ab", buffering=0) as ledger:
        ledger.write(f"{time.time():.3f} {label}\\n".encode())
'''


class Fleet:
    """One broker with result backend, the apps in its folder, their workers, and the stack that watches them."""

    def __init__(self, folder: Path, server_url: str, *, stack: Stack, workers: ExitStack) -> None:
        self.folder = folder
        self.broker_url = f"{server_url}/0"
        self.result_url = f"{server_url}/1"
        self.stack = stack
        self._workers = workers
        (folder / "ledger.py").write_text(LEDGER)

    def write_app(self, name: str, source: str) -> None:
        """A module of this name in the workers' folder; it finds its servers in BROKER and BACKEND."""
        (self.folder / f"{name}.py").write_text(dedent(source))

    def start_worker(
        self,
        name: str,
        app: str,
        *options: str,
        usual: tuple[str, ...] = ("-E", "--without-gossip", "--without-mingle"),
        python: str = sys.executable,
        answers: bool = True,
        patience: float = PATIENCE_SECONDS,
        **environment: str,
    ) -> WorkerProcess:
        """A worker `NAME@test` of the module `app`, stopped with the fleet. See `celery_worker`."""
        context = celery_worker(
            self.folder,
            self.broker_url,
            result_url=self.result_url,
            app=app,
            name=name,
            options=options or ("--concurrency", "1"),
            environment=self.environment | environment,
            usual=usual,
            python=python,
            answers=answers,
            patience=patience,
        )
        return self._workers.enter_context(context)

    @property
    def environment(self) -> dict[str, str]:
        """What the apps are told."""
        return {
            "BROKER": self.broker_url,
            "BACKEND": self.result_url,
            "FLEET_LEDGER": str(self._ledger),
            "PYTHONPATH": str(self.folder),
        }

    def starts(self, label: str) -> list[float]:
        """How many seconds ago tasks of this label began, the first first."""
        if not self._ledger.exists():
            return []
        lines = [line.split(" ", 1) for line in self._ledger.read_text().splitlines()]
        return [time.time() - float(at) for at, noted in lines if noted == label]

    @property
    def _ledger(self) -> Path:
        return self.folder / "ledger"


@contextmanager
def fleet(folder: Path, **environment: str) -> Iterator[Fleet]:
    """A fleet without workers yet. `environment` is that of `celeriac up`."""
    apps = folder / "apps"
    (folder / "valkey").mkdir(parents=True)
    apps.mkdir()
    with ExitStack() as everything:
        server_url = everything.enter_context(valkey(folder / "valkey"))
        own: dict[str, Any] = {
            "CELERIAC_BROKER_URL": f"{server_url}/0",
            "CELERIAC_RESULT_URL": f"{server_url}/1",
            "CELERIAC_WORKERS": "0",
        }
        stack = everything.enter_context(running(folder / "up", **(own | environment)))
        with ExitStack() as workers:
            yield Fleet(apps, server_url, stack=stack, workers=workers)
