"""Section 3 of docs/rest-contract.md, example by example on a running stack."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest

from tests.acceptance.stack import REPOSITORY, Stack
from tests.contract.likeness import assert_like
from tests.patience import wait_for

Prepare = Callable[[Stack], dict[str, str]]
"""Brings about what the example presumes; returns what stands in its path."""


def nothing(stack: Stack) -> dict[str, str]:
    return {}


def running(stack: Stack) -> dict[str, str]:
    return {"worker_id": worker(stack)["worker_id"]}


def paused(stack: Stack) -> dict[str, str]:
    named = running(stack)
    assert stack.client.patch(f"/workers/{named['worker_id']}/pause").status_code == 200
    return named


class Example(NamedTuple):
    """A request of the contract, and the answer that it must get."""

    request: str
    prepare: Prepare
    status: int
    response: dict[str, Any]
    same: dict[str, Any]
    """What of the response must be as here, not only of the same type."""
    parameters: dict[str, Any] | None = None
    body: dict[str, Any] | None = None


EXAMPLES = {
    "Register Worker": Example(
        "POST /workers",
        nothing,
        201,
        {"worker_id": "worker-uuid", "hostname": "compute-1", "status": "ACTIVE", "capacity": 5, "current_load": 0},
        {"hostname": "compute-1", "status": "ACTIVE", "capacity": 5, "current_load": 0},
        parameters={"hostname": "compute-1", "capacity": 5},
    ),
    "Get Worker Status": Example(
        "GET /workers/{worker_id}/status",
        running,
        200,
        {
            "worker_id": "worker-uuid",
            "hostname": "compute-1",
            "status": "ACTIVE",
            "capacity": 5,
            "current_load": 3,
            "current_tasks": 3,
            "last_heartbeat": "2026-01-25T14:15:00Z",
            "is_draining": False,
        },
        {"status": "ACTIVE", "is_draining": False},
    ),
    "Pause Worker": Example(
        "PATCH /workers/{worker_id}/pause",
        running,
        200,
        {"worker_id": "worker-uuid", "status": "paused", "converged": True},
        {"status": "paused", "converged": True},
    ),
    "Resume Worker": Example(
        "PATCH /workers/{worker_id}/resume",
        paused,
        200,
        {"worker_id": "worker-uuid", "status": "resumed", "converged": True},
        {"status": "resumed", "converged": True},
    ),
    "Update Worker Capacity": Example(
        "PATCH /workers/{worker_id}/capacity",
        running,
        200,
        {"worker_id": "worker-uuid", "capacity": 10, "converged": False},
        {"capacity": 3},
        body={"capacity": 3},
    ),
}
"""Drain Worker, which ends the worker, has a test of its own."""


@pytest.fixture(autouse=True)
def _as_found(stack: Stack) -> Iterator[None]:
    """The worker of the stack works, with the processes that are wanted, before and after each test."""
    yield
    stack.client.patch(f"/workers/{worker(stack)['worker_id']}/resume")
    wait_for(lambda: worker(stack)["status"] == "ACTIVE" and worker(stack)["converged"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_reference_s_examples_are_answered_as_they_stand(stack: Stack, name: str) -> None:
    example = EXAMPLES[name]
    method, path = example.request.split()
    answer = stack.client.request(
        method, path.format(**example.prepare(stack)), params=example.parameters, json=example.body
    )
    assert answer.status_code == example.status, answer.text
    assert_like(answer.json(), example.response)
    assert {field: answer.json()[field] for field in example.same} == example.same
    UUID(answer.json()["worker_id"])


def test_details_tell_what_is_wanted_and_what_is(stack: Stack) -> None:
    name = worker(stack)["hostname"]
    details = stack.client.get(f"/workers/{name}").json()
    expected = {
        "pid": 1,
        "queues": ["celery"],
        "pool": "prefork",
        "concurrency": 2,
        "versions": {"celery": "5.7.0", "plugin": "0.1.0", "protocol": 1},
        "plugin": "0.1.0",
        "capabilities": ["drain"],
        "desired": {"paused": None, "draining": False, "capacity": None},
        "observed": {"paused": False, "queues": ["celery"], "concurrency": 2, "described_at": "2026-01-25T14:15:00Z"},
        "converged": True,
    }
    assert_like(details, expected)
    assert {"drain", "resize", "terminate", "time_limits"} <= set(details["capabilities"])
    assert stack.client.get(f"/workers/{details['worker_id']}").json()["hostname"] == name


def test_the_list_is_filtered_by_status(stack: Stack) -> None:
    name = worker(stack)["hostname"]
    assert name in listed(stack, "ACTIVE")
    stack.client.patch(f"/workers/{name}/pause")
    assert (listed(stack, "PAUSED"), name in listed(stack, "ACTIVE")) == ([name], False)
    assert_refused(stack.client.get("/workers", params={"status": "ASLEEP"}), 400, code="VALIDATION_ERROR")


def test_a_paused_worker_starts_nothing_and_a_resumed_one_goes_on(stack: Stack) -> None:
    name = worker(stack)["hostname"]
    assert stack.client.patch(f"/workers/{name}/pause").json()["converged"]
    task_id = stack.submit("celeriac.echo", 1)
    wait_for(lambda: stack.task(task_id)["phase"] == "queued")
    # Two heartbeats: whatever would have started it has had the time.
    heard = worker(stack)["last_heartbeat"]
    wait_for(lambda: worker(stack)["last_heartbeat"] > heard)
    assert stack.task(task_id)["status"] == "PENDING"
    assert stack.client.patch(f"/workers/{name}/resume").json()["converged"]
    assert stack.wait_for_end(task_id)["status"] == "COMPLETED"


def test_a_drained_worker_exits_stays_away_and_comes_back_when_it_is_resumed(stack: Stack) -> None:
    before = worker(stack)
    path = f"/workers/{before['worker_id']}"
    running_task = stack.submit("celeriac.sleep", 8)
    wait_for(lambda: stack.task(running_task)["status"] == "RUNNING")
    answer = stack.client.post(f"{path}/drain", json={"deadline_seconds": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "draining")
    assert_like(answer.json(), {"worker_id": "worker-uuid", "status": "draining"})
    wait_for(lambda: stack.client.get(f"{path}/drain").json()["remaining_task_ids"] == [running_task])
    assert (worker(stack)["status"], worker(stack)["is_draining"]) == ("DRAINING", True)
    wait_for(lambda: stack.client.get(f"{path}/drain").json()["state"] == "overdue")
    process = stack.child("worker")
    wait_for(lambda: stack.client.get(f"{path}/drain").json()["state"] == "drained")
    finished_at = stack.client.get(f"{path}/drain").json()["finished_at"]
    assert worker(stack)["drained_at"] == finished_at is not None
    assert not process.is_running(), "drained means that it is gone"
    progress = stack.client.get(f"{path}/drain").json()
    assert_like(progress, {"started_at": "2026-01-25T14:15:00Z", "finished_at": "2026-01-25T14:15:00Z"})
    assert progress["remaining_task_ids"] == []
    assert stack.wait_for_end(running_task)["status"] == "COMPLETED"

    said = "celeriac: worker-1 ended and stays away until it is resumed: celeriac workers resume worker-1@"
    wait_for(lambda: said in stack.errors())
    assert worker(stack)["status"] == "OFFLINE"
    assert_refused(stack.client.post(f"{path}/drain"), 409, code="WORKER_OFFLINE")
    waiting = stack.submit("celeriac.echo", 1)
    stack.client.patch(f"{path}/resume")
    assert stack.wait_for_end(waiting)["status"] == "COMPLETED"
    wait_for(lambda: worker(stack)["status"] == "ACTIVE")
    assert worker(stack)["worker_id"] == before["worker_id"]
    assert_refused(stack.client.get(f"{path}/drain"), 404, code="NOT_FOUND")


def test_only_workers_that_are_offline_can_be_forgotten(stack: Stack) -> None:
    assert_refused(stack.client.delete(f"/workers/{worker(stack)['worker_id']}"), 409, code="WORKER_ONLINE")
    made = stack.client.post("/workers", params={"hostname": "passing"}).json()
    answer = stack.client.delete(f"/workers/{made['worker_id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_refused(stack.client.get(f"/workers/{made['worker_id']}"), 404, code="WORKER_NOT_FOUND")


def test_a_worker_seen_so_far_is_adopted_once_and_keeps_its_id_and_its_size(stack: Stack) -> None:
    seen = worker(stack)
    answer = stack.client.post("/workers", params={"hostname": seen["hostname"]})
    assert (answer.status_code, answer.json()["worker_id"]) == (201, seen["worker_id"])
    again = stack.client.post("/workers", params={"hostname": seen["hostname"]})
    assert_refused(again, 409, code="WORKER_EXISTS")
    assert again.json()["worker_id"] == seen["worker_id"]
    assert seen["worker_id"] in again.json()["detail"]


def test_the_command_line_does_the_same(stack: Stack) -> None:
    name = worker(stack)["hostname"]
    assert name in [row["hostname"] for row in celeriac(stack, "list")]
    assert celeriac(stack, "pause", name)["status"] == "paused"
    assert celeriac(stack, "show", name)["desired"]["paused"] is True
    assert celeriac(stack, "resume", name)["status"] == "resumed"
    assert celeriac(stack, "capacity", name, "3")["capacity"] == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("GET", "/drain"),
        ("PATCH", "/pause"),
        ("PATCH", "/resume"),
        ("POST", "/drain"),
        ("PATCH", "/capacity"),
        ("DELETE", ""),
    ],
)
def test_nobody_s_id_and_nobody_s_name_are_not_found(stack: Stack, method: str, path: str) -> None:
    body = {"capacity": 3} if path == "/capacity" else None
    for name in (str(uuid4()), "nobody"):
        answer = stack.client.request(method, f"/workers/{name}{path}", json=body)
        assert_refused(answer, 404, code="WORKER_NOT_FOUND")


def worker(stack: Stack) -> dict[str, Any]:
    """The worker that the stack has started."""
    found: list[dict[str, Any]] = stack.client.get("/workers").json()["workers"]
    return next(row for row in found if row["hostname"].startswith("worker-1@"))


def celeriac(stack: Stack, *arguments: str) -> Any:
    """What `celeriac workers ... --json` prints."""
    command = [sys.executable, "-P", "-m", "cli", "workers", *arguments, "--json", "--url", stack.url]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(stack: Stack, status: str) -> list[str]:
    body = stack.client.get("/workers", params={"status": status}).json()
    assert body["data"] == body["workers"]
    return [row["hostname"] for row in body["data"]]


def assert_refused(answer: httpx.Response, status: int, *, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json().keys() >= {"detail", "code", "request_id", "timestamp"}
