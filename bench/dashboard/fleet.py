"""The fleet that both look at: a `celeriac up` with a worker and Flower, and tasks that both have heard of."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import psycopg

from bench.history import TASKS
from bench.plain_celery import ARGUMENTS, TASK_NAME
from bench.stack import QUEUE, Stack, running_up, wait_until

BATCH_SIZE = 1_000
ENDED_SECONDS, LOOK_SECONDS = 300.0, 0.5
OTHER = "lone"
"""A step that nothing needs and that needs nothing."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is looked at, by its addresses."""

    stack: Stack
    client: httpx.Client

    @property
    def ui(self) -> str:
        """Return the address of the dashboard."""
        return f"{self.stack.api_url}/ui"

    @property
    def flower(self) -> str:
        """Return the address of Flower, without its login."""
        address = urlsplit(self.stack.flower_url)
        return f"http://{address.hostname}:{address.port}"

    @property
    def flower_login(self) -> Mapping[str, str]:
        """Return the header that signs in to Flower: with it no request is sent twice."""
        login = unquote(urlsplit(self.stack.flower_url).netloc.rpartition("@")[0])
        return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}

    def run(self, tasks: int) -> None:
        """Let the worker run so many tasks, of which Flower hears as well, and wait for their ends."""
        for start in range(0, tasks, BATCH_SIZE):
            self.submit([{"task_name": TASK_NAME, "task_args": ARGUMENTS}] * min(BATCH_SIZE, tasks - start))
        wait_until(lambda: not self._is_working(), "the end of all tasks", seconds=ENDED_SECONDS, pause=LOOK_SECONDS)

    def submit(self, tasks: list[dict[str, Any]]) -> None:
        """Submit these at once."""
        self.client.post("/tasks/batch", json={"tasks": tasks}).raise_for_status()

    def add_history(self, tasks: int) -> None:
        """Add so many tasks of the last 30 days, of which only the mirror knows."""
        with psycopg.connect(self.stack.servers.database_url, autocommit=True) as connection:
            connection.execute(TASKS, {"first": 1, "last": tasks, "of": tasks})
            connection.execute("vacuum analyze tasks")

    def tree(self, steps: int) -> str:
        """Submit a workflow in which each step has two after it, no two alike, and none runs; returns its id."""
        made = [_waiting(f"s{n}", *([f"s{(n - 1) // 2}"] if n else [])) for n in range(steps - 1)]
        return self._start({"name": "tree", "on_failure": "continue", "steps": [*made, _waiting(OTHER)]})

    def fan(self, steps: int) -> str:
        """Run a workflow of so many steps side by side; returns its id once it has ended."""
        made = [{"id": f"s{n}", "task_name": TASK_NAME, "task_args": ARGUMENTS} for n in range(steps)]
        workflow = self._start({"name": "fan", "steps": made})
        wait_until(
            lambda: self.client.get(f"/workflows/{workflow}").json()["status"] == "COMPLETED",
            "the end of a workflow",
            seconds=ENDED_SECONDS,
            pause=LOOK_SECONDS,
        )
        return workflow

    def cancel_step(self, workflow: str, step: str) -> None:
        """Cancel one step."""
        steps = self.client.get(f"/workflows/{workflow}").json()["steps"]
        [task] = [each["task_id"] for each in steps if each["id"] == step]
        self.client.post(f"/tasks/{task}/cancel").raise_for_status()

    def _start(self, definition: dict[str, Any]) -> str:
        return str(self.client.post("/workflows", json=definition).raise_for_status().json()["workflow_id"])

    def _is_working(self) -> bool:
        query: dict[str, str | list[str]] = {"status": ["PENDING", "RUNNING"], "task_name": TASK_NAME, "limit": "1"}
        return bool(self.client.get("/search/tasks", params=query).raise_for_status().json()["total"])


@contextmanager
def running_fleet() -> Iterator[Fleet]:
    """Start it; queues that nobody consumes stay so, and steps that never run may have any name."""
    environment = {"CELERIAC_ADOPT_QUEUES": "false", "CELERIAC_CHECK_TASK_NAMES": "false"}
    with (
        running_up(workers=1, flower=True, environment=environment) as stack,
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as client,
    ):
        yield Fleet(stack, client)


def _waiting(step: str, *needs: str) -> dict[str, Any]:
    return {"id": step, "task_name": f"bench.{step}", "queue_name": QUEUE, "depends_on": list(needs)}
