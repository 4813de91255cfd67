"""A whole `celeriac up` for tests, used through its public doors only: the command line and REST."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.drills.freezing import door_of, server_of
from bench.stack import copy_postgres, free_ports
from cli.addresses import Addresses, read_addresses
from tests.embedded import migrated_postgres
from tests.patience import PATIENCE_SECONDS, wait_for

REPOSITORY = Path(__file__).parents[2]
COMMAND = REPOSITORY / "celeriac_command.py"
"""What `celeriac` is, for folders where `-m cli` would be somebody else's."""
LOST_SECONDS = 60 + PATIENCE_SECONDS
"""By then a task has ended whose message was lost with a process that was killed: it is sent again after 60 s."""


class Stack:
    """One data folder, and the `celeriac up` on it while it runs."""

    def __init__(
        self,
        data: Path,
        *,
        folder: Path = REPOSITORY,
        options: tuple[str, ...] = (),
        flower: bool = False,
        **environment: str,
    ) -> None:
        self._data = data
        self._folder = folder
        self._options = options
        self._environment = environment
        self._port, flower_port = free_ports(2)
        self._flower_port = flower_port if flower else 0
        self._process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}/api/v1", timeout=PATIENCE_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def data(self) -> Path:
        """Its folder."""
        return self._data

    @property
    def flower_url(self) -> str:
        """With its login, which httpx sends; never printed. Flower starts last, and answers when this returns."""
        url = self.addresses.flower_url
        assert url is not None
        wait_for(lambda: _answers(f"{url}/healthcheck"))
        return url

    @property
    def addresses(self) -> Addresses:
        """Of its servers."""
        addresses = read_addresses(self._data)
        assert addresses is not None
        return addresses

    @property
    def database_url(self) -> str:
        """For questions that no public door answers the same way."""
        return self.addresses.database_url

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it has printed that it is ready. In the repository's folder, as `make up`, or its own."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._data / "up.stderr").open("a") as errors:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._folder,
                env=os.environ | {"CELERIAC_RATE_LIMIT_PER_MINUTE": "0"} | self._environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        ready = f"celeriac ready {self.url}\n"
        told = self.read_until(ready)
        assert told.endswith(ready) if self._options else told == ready, (told, self.errors()[-3000:])

    def read_until(self, line: str) -> str:
        """What it has printed on stdout since it was last read, up to this line, or to the end of all."""
        assert self._process is not None
        assert self._process.stdout is not None
        told = ""
        while not told.endswith(line) and (more := self._process.stdout.readline()):
            told += more
        return told

    def stop(self, which: signal.Signals = signal.SIGINT) -> int:
        """Asks it to stop; returns its exit code. A second time does nothing more."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(which)
        code = self._process.wait(PATIENCE_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def errors(self) -> str:
        return (self._data / "up.stderr").read_text()

    def child(self, name: str) -> psutil.Process:
        """The child that runs `celeriac NAME`, or the server of that name."""
        return server_of(self.pid, name) if name in ("postgres", "valkey") else door_of(self.pid, name)

    def is_healthy(self) -> bool:
        """Whether the API answers, says that all is well, and can read."""
        try:
            health, tasks = self.client.get("/health"), self.client.get("/tasks?limit=1")
        except httpx.TransportError:
            return False
        return tasks.status_code == 200 and health.json()["status"] == "healthy"

    def is_described(self, node: str) -> bool:
        """Whether this worker has told what it is and how it works; until then it is but a name in events."""
        found = self.client.get(f"/workers/{node}").json()
        return found.get("observed", {}).get("described_at") is not None

    def submit(self, task_name: str, *args: Any, **fields: Any) -> str:
        """The id of a new task."""
        body = {"task_name": task_name, "task_args": list(args)} | fields
        answer = self.client.post("/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def events(self, task_id: str) -> list[str]:
        """The kinds of event on its timeline, in their order."""
        return [event["event_type"] for event in self.timeline(task_id)["events"]]

    def timeline(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/tasks/{task_id}/timeline").json()
        return found

    def wait_for_end(self, task_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The task once it has ended and its result is known."""

        def ended() -> dict[str, Any] | None:
            task = self.task(task_id)
            finished = task["status"] in ("COMPLETED", "FAILED", "CANCELLED") and not task["result_pending"]
            return task if finished else None

        try:
            return wait_for(ended, seconds=seconds)
        except AssertionError:
            raise AssertionError(f"not ended: {self.task(task_id)} {self.timeline(task_id)}") from None

    def start_workflow(self, steps: list[dict[str, Any]], **fields: Any) -> str:
        """The id of a new workflow."""
        answer = self.client.post("/workflows", json={"name": "test", "steps": steps} | fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["workflow_id"])

    def workflow(self, workflow_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/workflows/{workflow_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_for_workflow(self, workflow_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The workflow once it has ended."""

        def ended() -> dict[str, Any] | None:
            workflow = self.workflow(workflow_id)
            return workflow if workflow["status"] in ("COMPLETED", "FAILED", "CANCELLED") else None

        try:
            return wait_for(ended, seconds=seconds)
        except AssertionError:
            raise AssertionError(f"not ended: {self.workflow(workflow_id)}") from None

    def _command(self) -> list[str]:
        ports = ["--port", str(self._port), "--flower-port", str(self._flower_port)]
        own = [sys.executable, "-m", "cli"] if self._folder == REPOSITORY else [sys.executable, str(COMMAND)]
        return [*own, "up", *ports, "--data", str(self._data), *self._options]


@contextmanager
def running(
    data: Path,
    *,
    folder: Path = REPOSITORY,
    options: tuple[str, ...] = (),
    flower: bool = False,
    from_nothing: bool = False,
    **environment: str,
) -> Iterator[Stack]:
    """A stack that is ready, stopped at the end.

    `from_nothing`: as at a first start; else its cluster is there and migrated, as at any later one, which takes a
    third of the processor time.
    """
    stack = Stack(data, folder=folder, options=options, flower=flower, **environment)
    if not from_nothing:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_postgres(migrated_postgres(), data / "postgres")
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        stack.client.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False
