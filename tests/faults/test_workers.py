"""Wishes for workers against kills and outages, and drains under load, on a whole stack with three workers."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import psutil
import psycopg
import pytest

from bench.rabbitmq import rabbitmq_server
from tests.acceptance.stack import LOST_SECONDS, Stack, running
from tests.patience import wait_for
from tests.rabbitmq import needs_rabbitmq

TASKS, TASK_SECONDS = 500, 0.05
BATCH = {"task_name": "celeriac.sleep", "task_args": [TASK_SECONDS], "task_kwargs": {}}


@dataclass(frozen=True, slots=True)
class Fleet:
    """A stack with three workers, and what kills its broker and has it back."""

    stack: Stack
    restart_broker: Callable[[], None]


@pytest.fixture(
    scope="module",
    params=[
        "redis",
        pytest.param("rabbitmq", marks=needs_rabbitmq),
    ],
)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    data = tmp_path_factory.mktemp("workers")
    with ExitStack() as opened:
        servers: dict[str, Any] = {}
        if request.param == "rabbitmq":
            rabbit = opened.enter_context(rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")))
            servers["CELERIAC_BROKER_URL"] = rabbit.url
        stack = opened.enter_context(running(data, CELERIAC_WORKERS="3", **servers))
        wait_for(lambda: len(listed(stack, status="ACTIVE")) == 3)

        def restart_broker() -> None:
            if request.param == "redis":
                stack.child("valkey").kill()
            else:
                rabbit.kill()
                rabbit.start()

        yield Fleet(stack, restart_broker)


@pytest.fixture
def stack(fleet: Fleet) -> Stack:
    return fleet.stack


def test_two_of_three_workers_drained_under_load_lose_nothing_and_repeat_nothing(stack: Stack) -> None:
    pids = {worker["hostname"]: details(stack, worker)["pid"] for worker in listed(stack)}
    before = completed(stack)
    task_ids = submit(stack, TASKS)
    wait_for(lambda: completed(stack) > before)
    drained = listed(stack)[:2]
    for worker in drained:
        assert stack.client.post(f"/workers/{worker['worker_id']}/drain").status_code == 200
    for worker in drained:
        wait_for(partial(is_drained, stack, f"/workers/{worker['worker_id']}/drain"))
        wait_for(lambda: not psutil.pid_exists(pids[worker["hostname"]]))  # noqa: B023
    wait_for(lambda: completed(stack) == before + TASKS)
    with psycopg.connect(stack.database_url) as connection:
        started = "select task_id from events where event_type = 'started' and task_id = any(%s)"
        runs = Counter(task_id for (task_id,) in connection.execute(started, [task_ids]))
    assert [task_id for task_id in task_ids if runs[task_id] != 1] == []
    for worker in drained:
        stack.client.patch(f"/workers/{worker['worker_id']}/resume")
    wait_for(lambda: len(listed(stack, status="ACTIVE")) == 3)


def test_a_pause_outlives_kills_of_the_workers_and_of_the_broker(fleet: Fleet, stack: Stack) -> None:
    for worker in listed(stack):
        assert stack.client.patch(f"/workers/{worker['worker_id']}/pause").json()["converged"]
    exact = all("pause" in details(stack, worker)["capabilities"] for worker in listed(stack))
    before = submit(stack, 20)
    for worker in [details(stack, worker) for worker in listed(stack)]:
        os.kill(worker["pid"], signal.SIGKILL)
        wait_for(
            lambda: details(stack, worker)["pid"] != worker["pid"] and converged(stack),  # noqa: B023
            seconds=60,
        )
    assert not exact or not [task_id for task_id in before if "started" in stack.events(task_id)]

    fleet.restart_broker()
    wait_for(stack.is_healthy)
    wait_for(lambda: converged(stack))
    after = submit(stack, 20)
    for task_id in after:
        wait_for(lambda: stack.task(task_id)["phase"] == "queued")  # noqa: B023
    two_heartbeats(stack)
    assert {stack.task(task_id)["status"] for task_id in after} == {"PENDING"}
    for worker in listed(stack):
        stack.client.patch(f"/workers/{worker['worker_id']}/resume")
    for task_id in before + after:
        assert stack.wait_for_end(task_id, seconds=LOST_SECONDS)["status"] == "COMPLETED"


def test_as_many_tasks_run_at_once_as_the_capacity_says(stack: Stack) -> None:
    ours, *others = listed(stack)
    for worker in others:
        assert stack.client.patch(f"/workers/{worker['worker_id']}/pause").status_code == 200
    wait_for(lambda: all(details(stack, worker)["converged"] for worker in others))
    for capacity in (8, 1):
        path = f"/workers/{ours['worker_id']}/capacity"
        assert stack.client.patch(path, json={"capacity": capacity}).status_code == 200
        wait_for(
            lambda: details(stack, ours)["observed"]["concurrency"] == capacity,  # noqa: B023
            seconds=60,
        )
        task_ids = [stack.submit("celeriac.sleep", 1) for _ in range(2 * capacity)]
        ended = [stack.wait_for_end(task_id, seconds=LOST_SECONDS) for task_id in task_ids]
        assert most_at_once(ended) == capacity
    for worker in others:
        stack.client.patch(f"/workers/{worker['worker_id']}/resume")
    stack.client.patch(path, json={"capacity": ours["capacity"]})
    wait_for(lambda: len(listed(stack, status="ACTIVE")) == 3)


def most_at_once(tasks: list[dict[str, Any]]) -> int:
    """How many of these ran at one moment."""
    changes = [(task["started_at"], 1) for task in tasks] + [(task["completed_at"], -1) for task in tasks]
    return max(accumulate(change for _, change in sorted(changes)))


def submit(stack: Stack, count: int) -> list[str]:
    answer = stack.client.post("/tasks/batch", json={"tasks": [BATCH] * count})
    assert answer.status_code == 201, answer.text
    found: list[str] = answer.json()["task_ids"]
    return found


def listed(stack: Stack, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.client.get("/workers", params=parameters).json()["workers"]
    return found


def details(stack: Stack, worker: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stack.client.get(f"/workers/{worker['worker_id']}").json()
    return found


def converged(stack: Stack) -> bool:
    """Whether all three are there and as they are wanted."""
    workers = [details(stack, worker) for worker in listed(stack)]
    return all(worker["status"] == "PAUSED" and worker["converged"] for worker in workers)


def is_drained(stack: Stack, path: str) -> bool:
    return bool(stack.client.get(path).json()["state"] == "drained")


def completed(stack: Stack) -> int:
    parameters: dict[str, str | int] = {"status": "COMPLETED", "task_name": "celeriac.sleep", "limit": 1}
    return int(stack.client.get("/tasks", params=parameters).json()["total"])


def two_heartbeats(stack: Stack) -> None:
    """Whatever would have started something has had the time."""
    for _ in range(2):
        heard = max(worker["last_heartbeat"] for worker in listed(stack))
        wait_for(lambda: min(worker["last_heartbeat"] for worker in listed(stack)) > heard)  # noqa: B023
