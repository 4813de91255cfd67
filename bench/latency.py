"""How long a task takes on an idle system: until it starts in a worker, and until its client can see that it is done.

One task after another through a `celeriac up` with one worker. The start is the worker's own time stamp (the clock of
this machine, as ours); the end is seen by asking `GET /tasks/{id}` every 2 ms.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer

from bench.figures import Series, Turn, percentile
from bench.report import Goal, JsonFile, Report, present
from bench.stack import running_up

ANSWERED, STARTED, VISIBLE, WAITED = "POST answered", "POST to started", "POST to COMPLETED seen", "POST ?async=false"
POLL_SECONDS = 0.002
TASK_SECONDS = 10.0
WARM_UP_TASKS = 5
SUBMISSION = {"task_name": "celeriac.echo", "task_args": ["hello"]}


@dataclass(frozen=True, slots=True)
class Followed:
    """One task: seconds from just before the POST until it was answered, until the task started, until its end was
    seen.
    """

    answered: float
    started: float
    visible: float


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks, one after another.")] = 100,
    json_file: JsonFile = None,
) -> None:
    """Measure how long one task takes."""
    present(measure(tasks=tasks), json_file)


def measure(*, tasks: int) -> Report:
    """Run so many tasks one after another and time each."""
    with running_up(workers=1) as stack, httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client:
        for _ in range(WARM_UP_TASKS):
            follow(client)
        followed = [(follow(client), _wait_for_one(client)) for _ in range(tasks)]
    series = [
        _series(ANSWERED, [task.answered for task, _ in followed]),
        _series(STARTED, [task.started for task, _ in followed]),
        _series(VISIBLE, [task.visible for task, _ in followed]),
        _series(WAITED, [waited for _, waited in followed]),
    ]
    return Report(
        title=f"One task on an idle system, {tasks} times",
        unit=None,
        series=series,
        goals=[Goal("POST to started, p50 ms", 25, percentile(series[1].latencies, 50) * 1000, at_most=True)],
        notes=[f"{WAITED}: the whole task with its result in one request."],
    )


def _series(name: str, latencies: list[float]) -> Series:
    return Series(name, (Turn(len(latencies), sum(latencies), tuple(latencies)),))


def follow(client: httpx.Client) -> Followed:
    """Submit a task and ask for it until it is completed."""
    begun_at, begun = datetime.now(UTC), time.perf_counter()
    task_id = _submit(client)["task_id"]
    answered = time.perf_counter() - begun
    task = _completed(client, task_id)
    visible = time.perf_counter() - begun
    started = (datetime.fromisoformat(task["started_at"]) - begun_at).total_seconds()
    return Followed(answered, started, visible)


def _wait_for_one(client: httpx.Client) -> float:
    begun = time.perf_counter()
    task = _submit(client, **{"async": "false"})
    if task["status"] != "COMPLETED":
        raise RuntimeError(f"a task ended as {task['status']}")
    return time.perf_counter() - begun


def _submit(client: httpx.Client, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/tasks", json=SUBMISSION, params=query).raise_for_status().json()
    return answer


def _completed(client: httpx.Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + TASK_SECONDS
    while time.monotonic() < deadline:
        task: dict[str, Any] = client.get(f"/tasks/{task_id}").raise_for_status().json()
        if task["status"] == "COMPLETED":
            return task
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"a task was not completed within {TASK_SECONDS:g} s")


if __name__ == "__main__":
    typer.run(main)
