"""Section 7 of docs/rest-contract.md, example by example on a running stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from tests.acceptance.stack import Stack
from tests.patience import wait_for

MARK = "/resilience/degradation/mark"
CLEAR = "/resilience/degradation/clear"
COMPONENTS = ("database", "broker", "result_backend", "workers", "mirror")
# From the mark in one process until another process knows of it.
SPREAD_SECONDS = 5


@pytest.fixture(autouse=True)
def _unmarked(stack: Stack) -> Iterator[None]:
    yield
    for service_name in stack.client.get("/resilience/summary").json()["degradation"]["services"]:
        stack.client.post(CLEAR, json={"service_name": service_name})


def mark(stack: Stack, service_name: str, *, strategy: str, **given: Any) -> Response:
    return stack.client.post(MARK, json={"service_name": service_name, "strategy": strategy} | given)


def seconds_left(answer: Response) -> float:
    until: str = answer.json()["degraded_until"]
    assert until.endswith("Z")
    return (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds()


def assert_error(answer: Response, status: int, *, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    assert answer.json().keys() >= {"detail", "code", "request_id", "timestamp"}


def test_the_references_example_of_a_mark(stack: Stack) -> None:
    answer = mark(stack, "database", strategy="return_cached", duration_seconds=300)
    assert answer.status_code == 200
    assert answer.json() | {"degraded_until": ...} == {
        "service_name": "database",
        "strategy": "return_cached",
        "degraded_until": ...,
    }
    assert 290 < seconds_left(answer) <= 300


@pytest.mark.parametrize("service_name", [*COMPONENTS, "queue:emails", "task:celeriac.add"])
def test_a_mark_lasts_five_minutes_unless_told_otherwise_and_can_be_cleared(stack: Stack, service_name: str) -> None:
    assert 290 < seconds_left(mark(stack, service_name, strategy="queue_only")) <= 300
    for cleared in (True, False):
        answer = stack.client.post(CLEAR, json={"service_name": service_name})
        assert (answer.status_code, answer.json()) == (200, {"service_name": service_name, "cleared": cleared})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"strategy": "fail_fast"}, "service_name"),
        ({"service_name": "redis", "strategy": "fail_fast"}, "service_name"),
        ({"service_name": "queue:", "strategy": "fail_fast"}, "service_name"),
        ({"service_name": "queue:a\tb", "strategy": "fail_fast"}, "service_name"),
        ({"service_name": "queue:unacked", "strategy": "fail_fast"}, "service_name"),
        ({"service_name": "database"}, "strategy"),
        ({"service_name": "database", "strategy": "panic"}, "strategy"),
        ({"service_name": "queue:emails", "strategy": "return_cached"}, "strategy"),
        ({"service_name": "task:app.pay", "strategy": "return_cached"}, "strategy"),
        ({"service_name": "database", "strategy": "fail_fast", "duration_seconds": 0}, "duration_seconds"),
        ({"service_name": "database", "strategy": "fail_fast", "duration_seconds": 86_401}, "duration_seconds"),
        ({"service_name": "database", "strategy": "fail_fast", "duration_seconds": "300"}, "duration_seconds"),
        ({"service_name": "database", "strategy": "fail_fast", "reason": "?"}, "reason"),
    ],
)
def test_a_bad_mark_is_refused_and_changes_nothing(stack: Stack, body: dict[str, Any], field: str) -> None:
    answer = stack.client.post(MARK, json=body)
    assert_error(answer, 400, code="VALIDATION_ERROR")
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert stack.client.get("/resilience/summary").json()["degradation"]["services"] == []


@pytest.mark.parametrize("path", [MARK, CLEAR])
def test_the_refusal_of_a_name_lists_those_that_can_be_marked(stack: Stack, path: str) -> None:
    body = {"service_name": "redis"} | ({"strategy": "fail_fast"} if path == MARK else {})
    detail = stack.client.post(path, json=body).json()["detail"]
    assert all(name in detail for name in (*COMPONENTS, "queue:<name>", "task:<name>"))


def test_the_references_example_of_a_summary(stack: Stack) -> None:
    mark(stack, "database", strategy="return_cached")
    summary = stack.client.get("/resilience/summary").json()
    assert summary["system_health"] == {"components_total": 5, "healthy": 4, "unhealthy": 1}
    assert summary["resilience_score"] == 80.0
    assert summary["degradation"]["degraded_services_count"] == 1
    assert summary["degradation"]["services"] == ["database"]
    assert [component["name"] for component in summary["components"]] == list(COMPONENTS)
    for component in summary["components"]:
        assert component.keys() == {"name", "status", "since", "detail"}
    told = [(component["status"], component["detail"]) for component in summary["components"]]
    assert told == [("degraded", "marked return_cached"), *[("healthy", None)] * 4]
    assert summary["mirror"].keys() == {"lag_seconds", "gaps_24h"}
    assert 0 <= summary["mirror"]["lag_seconds"] < 10
    assert summary["mirror"]["gaps_24h"] >= 0


def test_marks_of_queues_and_tasks_are_no_components(stack: Stack) -> None:
    for service_name in ("queue:emails", "task:celeriac.add"):
        mark(stack, service_name, strategy="fail_fast")
    summary = stack.client.get("/resilience/summary").json()
    assert summary["degradation"]["degraded_services_count"] == 2
    assert (summary["system_health"]["healthy"], summary["resilience_score"]) == (5, 100.0)


def test_the_references_example_of_health(stack: Stack) -> None:
    answer = stack.client.get("/health")
    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "version", "checks"}
    assert answer.json()["status"] == "healthy"
    assert answer.json()["checks"].items() >= {"database": "healthy", "redis": "healthy", "workers": "healthy"}.items()


def test_reads_marked_return_cached_tell_that_they_are_stale_and_how_old(stack: Stack) -> None:
    task_id = stack.submit("celeriac.add", 1, 2)
    before = stack.wait_for_end(task_id)
    listed = stack.client.get("/tasks?limit=1").json()
    mark(stack, "database", strategy="return_cached")
    for path, known in ((f"/tasks/{task_id}", before), ("/tasks?limit=1", listed)):
        answer = stack.client.get(path)
        assert (answer.status_code, answer.json()) == (200, known)
        assert answer.headers["warning"].startswith("110 ")
        assert 0 <= int(answer.headers["age"]) < 60
    assert_error(stack.client.get(f"/tasks/{task_id}/timeline"), 503, code="SERVICE_DEGRADED")
    stack.client.post(CLEAR, json={"service_name": "database"})
    assert "warning" not in stack.client.get(f"/tasks/{task_id}").headers


def test_work_marked_queue_only_is_kept_and_runs_when_the_mark_has_ended(stack: Stack) -> None:
    until = datetime.now(UTC) + timedelta(seconds=6)
    mark(stack, "task:celeriac.echo", strategy="queue_only", duration_seconds=6)
    held = wait_for(lambda: _stays_pending(stack), seconds=SPREAD_SECONDS)
    stack.wait_for_end(stack.submit("celeriac.add", 1, 2))
    assert stack.task(held)["phase"] in ("scheduled", "dispatching")
    ended = stack.wait_for_end(held)
    assert datetime.fromisoformat(ended["started_at"]) > until - timedelta(seconds=1)


def _stays_pending(stack: Stack) -> str | None:
    """A task that was submitted after the dispatcher knew of the mark; None if it was handed over."""
    task_id = stack.submit("celeriac.echo", "held")
    after = stack.submit("celeriac.add", 1, 2)
    stack.wait_for_end(after)
    return task_id if stack.task(task_id)["phase"] in ("scheduled", "dispatching") else None


@pytest.mark.parametrize("service_name", ["queue:celery", "task:celeriac.add", "workers", "broker", "result_backend"])
def test_work_marked_fail_fast_is_refused_at_once(stack: Stack, service_name: str) -> None:
    mark(stack, service_name, strategy="fail_fast")
    refused = stack.client.post("/tasks", json={"task_name": "celeriac.add", "task_args": [1, 2]})
    assert_error(refused, 503, code="SERVICE_DEGRADED")
    assert service_name in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    if ":" in service_name:
        other = {"task_name": "celeriac.echo", "task_args": [1], "queue_name": "other"}
        assert stack.client.post("/tasks", json=other).status_code == 201
