"""Section 2 of docs/rest-contract.md, example by example on a running stack."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest

from tests.acceptance.stack import Stack
from tests.contract.likeness import TIME, assert_like
from tests.patience import wait_for

Prepare = Callable[[Stack], dict[str, str]]
"""Brings about what the example presumes; returns what stands in its path."""

SUBMISSION = {
    "task_name": "process_payment",
    "task_args": [1234],
    "task_kwargs": {"currency": "USD", "amount": 99.99},
    "priority": 8,
    "queue_name": "payments",
    "max_retries": 3,
    "timeout_seconds": 300,
    "scheduled_at": "2026-01-25T14:30:00Z",
}


def nothing(stack: Stack) -> dict[str, str]:
    return {}


def running(stack: Stack) -> dict[str, str]:
    task_id = stack.submit("celeriac.sleep", 4, priority=8, queue_name="payments")
    wait_for(lambda: stack.task(task_id)["status"] == "RUNNING")
    return {"task_id": task_id}


def failed(stack: Stack) -> dict[str, str]:
    task_id = stack.submit("celeriac.fail", "on purpose", priority=8, max_retries=0)
    stack.wait_for_end(task_id)
    return {"task_id": task_id}


def completed(stack: Stack) -> dict[str, str]:
    task_id = stack.submit("process_data", [{"a": 1}, {"a": 2}])
    stack.wait_for_end(task_id)
    return {"task_id": task_id}


def pending(stack: Stack) -> dict[str, str]:
    return {"task_id": stack.submit("celeriac.echo", scheduled_at="2100-01-01T00:00:00Z")}


def two_payments(stack: Stack) -> dict[str, str]:
    task_ids = [stack.submit("celeriac.sleep", seconds) for seconds in (0.1, 0.2)]
    for task_id in task_ids:
        stack.wait_for_end(task_id)
    return {"task_id1": task_ids[0], "task_id2": task_ids[1]}


class Example(NamedTuple):
    """A request of the contract, and the answer that it must get."""

    request: str
    prepare: Prepare
    status: int
    response: dict[str, Any]
    same: dict[str, Any]
    """What of the response must be as here, not only of the same type."""
    body: dict[str, Any] | None = None


EXAMPLES = {
    "Submit Task": Example(
        "POST /tasks",
        nothing,
        201,
        {
            "task_id": "550e8400-e29b-41d4-a716-446655440000",
            "task_name": "process_payment",
            "status": "PENDING",
            "priority": 8,
            "created_at": "2026-01-25T14:00:00Z",
        },
        {"task_name": "process_payment", "status": "PENDING", "priority": 8},
        body=SUBMISSION,
    ),
    "Get Task": Example(
        "GET /tasks/{task_id}",
        running,
        200,
        {
            "task_id": "550e8400-e29b-41d4-a716-446655440000",
            "task_name": "process_payment",
            "status": "RUNNING",
            "priority": 8,
            "worker_id": "worker-1",
            "created_at": "2026-01-25T14:00:00Z",
            "started_at": "2026-01-25T14:05:00Z",
            "completed_at": None,
            "retry_count": 0,
            "max_retries": 3,
        },
        {"status": "RUNNING", "priority": 8, "completed_at": None, "retry_count": 0, "max_retries": 3},
    ),
    "List Tasks": Example(
        "GET /tasks?status=FAILED&priority=8&limit=10",
        failed,
        200,
        {"total": 150, "limit": 10, "offset": 0, "tasks": [...]},
        {"limit": 10, "offset": 0},
    ),
    "Cancel Task": Example(
        "POST /tasks/{task_id}/cancel",
        pending,
        200,
        {
            "task_id": "550e8400-e29b-41d4-a716-446655440000",
            "status": "CANCELLED",
            "message": "Task cancelled successfully",
        },
        {"status": "CANCELLED", "message": "Task cancelled successfully"},
    ),
    "Replay Task": Example(
        "POST /tasks/{task_id}/replay",
        failed,
        201,
        {"task_id": "new-task-uuid", "status": "PENDING", "original_task_id": "original-uuid"},
        {"status": "PENDING"},
    ),
    "Get Task Timeline": Example(
        "GET /tasks/{task_id}/timeline",
        completed,
        200,
        {
            "task_id": "task-uuid",
            "task_name": "process_data",
            "status": "COMPLETED",
            "created_at": "2026-01-25T14:00:00Z",
            "started_at": "2026-01-25T14:05:00Z",
            "completed_at": "2026-01-25T14:10:00Z",
            "duration_seconds": 300,
            "events": [{"timestamp": "2026-01-25T14:05:00Z", "event_type": "started", "details": {}}],
        },
        {"task_name": "process_data", "status": "COMPLETED"},
    ),
    "Compare Tasks": Example(
        "GET /tasks/{task_id1}/compare/{task_id2}",
        two_payments,
        200,
        {
            "same_function": True,
            "same_args": False,
            "same_priority": True,
            "timing": {"task1_duration": 30, "task2_duration": 45},
        },
        {"same_function": True, "same_args": False, "same_priority": True},
    ),
    "Pagination": Example(
        "GET /tasks?limit=50&offset=0",
        failed,
        200,
        {"total": 500, "limit": 50, "offset": 0, "data": [...]},
        {"limit": 50, "offset": 0},
    ),
}


def ask(stack: Stack, request: str, *, path: dict[str, str], body: Any = None) -> httpx.Response:
    method, _, url = request.partition(" ")
    return stack.client.request(method, url.format(**path), json=body)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_of_the_reference_holds(stack: Stack, name: str) -> None:
    example = EXAMPLES[name]
    path = example.prepare(stack)
    answer = ask(stack, example.request, path=path, body=example.body)
    assert answer.status_code == example.status, answer.text
    assert_like(answer.json(), example.response)
    assert {name: answer.json()[name] for name in example.same} == example.same
    if "{task_id}" in example.request:
        assert path["task_id"] in (answer.json()["task_id"], answer.json().get("original_task_id"))


def test_started_tells_the_worker_that_the_workers_api_knows(stack: Stack) -> None:
    task_id = completed(stack)["task_id"]
    (started,) = (e for e in stack.timeline(task_id)["events"] if e["event_type"] == "started")
    worker = stack.client.get(f"/workers/{started['details']['worker_id']}/status")
    assert worker.status_code == 200
    assert stack.task(task_id)["worker_id"] == worker.json()["worker_id"]


def test_a_replay_runs_and_ends_as_the_original_did(stack: Stack) -> None:
    original = stack.task(completed(stack)["task_id"])
    answer = stack.client.post(f"/tasks/{original['task_id']}/replay")
    new = stack.wait_for_end(answer.json()["task_id"])
    assert (new["status"], new["result"]) == ("COMPLETED", original["result"])
    assert new["original_task_id"] == original["task_id"]
    assert stack.events(original["task_id"])[-1] == "replayed"
    changed = stack.client.post(f"/tasks/{original['task_id']}/replay", json={"task_args": [[]]})
    assert stack.wait_for_end(changed.json()["task_id"])["result"] == {"rows": 0, "columns": {}}


def test_a_batch_runs_each_of_its_tasks_once(stack: Stack) -> None:
    items = [{"task_name": "celeriac.add", "task_args": [n, n]} for n in range(50)]
    answers = [
        stack.client.post("/tasks/batch", json={"tasks": items}, headers={"Idempotency-Key": "contract-batch"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["submitted"] == 50
    for n, task_id in enumerate(answers[0].json()["task_ids"]):
        task = stack.wait_for_end(task_id)
        assert (task["result"], len(task["attempts"])) == (2 * n, 1)


def test_a_submission_that_waits_answers_with_the_whole_task_and_does_so_again(stack: Stack) -> None:
    answers = [
        stack.client.post(
            "/tasks",
            params={"async": "false"},
            json={"task_name": "celeriac.add", "task_args": [40, 2]},
            headers={"Idempotency-Key": "contract-wait"},
        )
        for _ in range(2)
    ]
    assert [answer.json()["result"] for answer in answers] == [42, 42]
    assert answers[0].json() == answers[1].json() == stack.task(answers[0].json()["task_id"])
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]


def test_two_runs_compared_on_the_stack_tell_their_true_times(stack: Stack) -> None:
    path = two_payments(stack)
    one, other = (stack.task(task_id) for task_id in path.values())
    found = ask(stack, "GET /tasks/{task_id1}/compare/{task_id2}", path=path).json()
    timing = found["timing"]
    assert timing["task1_duration"] == one["duration_seconds"] >= 0.1
    assert timing["task2_duration"] == other["duration_seconds"] >= 0.2
    assert timing["difference_seconds"] == pytest.approx(timing["task2_duration"] - timing["task1_duration"])
    assert 0 <= timing["task1_wait"] < 30
    assert found["arguments"] == [{"op": "replace", "path": "/task_args/0", "value": 0.2, "old_value": 0.1}]
    assert found["same_worker"] is (one["worker_id"] == other["worker_id"])
    assert [event["event_type"] for event in found["events"]["task2"]] == stack.events(path["task_id2"])


TIME_OR_NULL = (TIME, type(None))
ADDED: dict[str, tuple[str, Prepare, dict[str, Any]]] = {
    "submit": ("POST /tasks", nothing, {"queue_name": str, "scheduled_at": TIME_OR_NULL}),
    "get": (
        "GET /tasks/{task_id}",
        completed,
        {
            "task_args": list,
            "task_kwargs": dict,
            "queue_name": str,
            "timeout_seconds": (int, type(None)),
            "scheduled_at": TIME_OR_NULL,
            "phase": str,
            "result": object,
            "error": (str, type(None)),
            "traceback": (str, type(None)),
            "worker_hostname": str,
            "worker_id": UUID,
            "attempts": list,
            "original_task_id": (str, type(None)),
            "workflow_id": (str, type(None)),
            "duration_seconds": float,
            "cancel_requested": bool,
        },
    ),
    "list": ("GET /tasks", completed, {"data": list, "total_is_exact": bool, "next_cursor": (str, type(None))}),
    "timeline": ("GET /tasks/{task_id}/timeline", completed, {"complete": bool}),
    "compare": (
        "GET /tasks/{task_id1}/compare/{task_id2}",
        two_payments,
        {
            "same_kwargs": bool,
            "same_queue": bool,
            "same_status": bool,
            "same_worker": bool,
            "timing": dict,
            "arguments": list,
            "events": dict,
        },
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_every_field_that_the_contract_adds_is_there(stack: Stack, name: str) -> None:
    request, prepare, fields = ADDED[name]
    answer = ask(stack, request, path=prepare(stack), body=SUBMISSION if request == "POST /tasks" else None).json()
    for field, kinds in fields.items():
        assert field in answer
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        assert any(is_of(answer[field], kind) for kind in kinds), (field, answer[field])


def is_of(value: Any, kind: Any) -> bool:
    if kind is TIME:
        return isinstance(value, str) and bool(TIME.fullmatch(value))
    if kind is UUID:
        return isinstance(value, str) and str(UUID(value)) == value
    return isinstance(value, kind)


JSON = {"Content-Type": "application/json"}
ERRORS: list[tuple[str, Prepare, dict[str, Any], int, str]] = [
    ("POST /tasks", nothing, {"json": {}}, 400, "VALIDATION_ERROR"),
    ("POST /tasks", nothing, {"json": SUBMISSION | {"priority": 11}}, 400, "VALIDATION_ERROR"),
    ("POST /tasks", nothing, {"json": SUBMISSION | {"color": "red"}}, 400, "VALIDATION_ERROR"),
    ("POST /tasks", nothing, {"content": b"{", "headers": JSON}, 400, "VALIDATION_ERROR"),
    ("POST /tasks", nothing, {"json": {"task_name": "no.such.task"}}, 400, "UNKNOWN_TASK_NAME"),
    ("POST /tasks", nothing, {"content": b"task_name=x"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST /tasks", nothing, {"content": b" " * (2 * 1024 * 1024 + 1), "headers": JSON}, 413, "BODY_TOO_LARGE"),
    ("POST /tasks/batch", nothing, {"json": {"tasks": []}}, 400, "VALIDATION_ERROR"),
    ("POST /tasks/batch", nothing, {"json": {"tasks": [{"task_name": "no.such.task"}]}}, 400, "UNKNOWN_TASK_NAME"),
    ("POST /tasks/batch", nothing, {"content": b" " * (2**24 + 1), "headers": JSON}, 413, "BODY_TOO_LARGE"),
    ("GET /tasks?limit=0", nothing, {}, 400, "VALIDATION_ERROR"),
    ("GET /tasks?sort_by=result", nothing, {}, 400, "VALIDATION_ERROR"),
    ("GET /tasks?nonsense=1", nothing, {}, 400, "VALIDATION_ERROR"),
    ("GET /tasks/nowhere", nothing, {}, 404, "TASK_NOT_FOUND"),
    ("GET /tasks/nowhere/timeline", nothing, {}, 404, "TASK_NOT_FOUND"),
    ("GET /tasks/{task_id}/compare/nowhere", pending, {}, 404, "TASK_NOT_FOUND"),
    ("POST /tasks/nowhere/cancel", nothing, {}, 404, "TASK_NOT_FOUND"),
    ("POST /tasks/nowhere/replay", nothing, {}, 404, "TASK_NOT_FOUND"),
    ("POST /tasks/{task_id}/cancel", completed, {}, 409, "TASK_ALREADY_FINISHED"),
    ("POST /tasks/{task_id}/replay", pending, {}, 409, "TASK_NOT_FINISHED"),
    ("POST /tasks/{task_id}/replay", completed, {"json": {"priority": 0}}, 400, "VALIDATION_ERROR"),
    ("PUT /tasks", nothing, {}, 405, "METHOD_NOT_ALLOWED"),
    ("GET /task", nothing, {}, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("request_line", "prepare", "given", "status", "code"), ERRORS)
def test_every_refusal_has_the_one_form(
    stack: Stack, request_line: str, prepare: Prepare, given: dict[str, Any], status: int, code: str
) -> None:
    method, _, url = request_line.partition(" ")
    answer = stack.client.request(method, url.format(**prepare(stack)), **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    example = {
        "detail": "Task not found",
        "code": "TASK_NOT_FOUND",
        "request_id": "req-uuid",
        "timestamp": "2026-01-25T14:00:00Z",
    }
    if status == 400:
        example["errors"] = [{"field": "priority", "message": "too high"}]  # type: ignore[assignment]
    assert_like(answer.json(), example)
    assert answer.json().keys() == example.keys()
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_key_that_was_used_with_another_body_is_a_conflict(stack: Stack) -> None:
    keyed = {"Idempotency-Key": "contract-conflict"}
    first = stack.client.post("/tasks", json={"task_name": "celeriac.echo"}, headers=keyed)
    other = stack.client.post("/tasks", json={"task_name": "celeriac.echo", "priority": 1}, headers=keyed)
    assert (first.status_code, other.status_code, other.json()["code"]) == (201, 409, "IDEMPOTENCY_CONFLICT")


def test_a_task_that_others_sent_cannot_be_replayed_without_its_arguments(stack: Stack) -> None:
    """ARGUMENTS_NOT_RECORDED: sent through Flower, which is to us just another publisher."""
    sent = httpx.post(f"{stack.flower_url}/api/task/async-apply/celeriac.add", json={"args": [1, 2]})
    task_id = sent.json()["task-id"]
    wait_for(lambda: stack.client.get(f"/tasks/{task_id}").status_code == 200)
    task = stack.wait_for_end(task_id)
    assert (task["task_args"], task["priority"], task["result"]) == (None, None, 3)
    refused = stack.client.post(f"/tasks/{task_id}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "ARGUMENTS_NOT_RECORDED")
    given = stack.client.post(f"/tasks/{task_id}/replay", json={"task_args": [3, 4], "task_kwargs": {}})
    assert stack.wait_for_end(given.json()["task_id"])["result"] == 7
