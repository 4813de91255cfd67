"""Section 6 of docs/rest-contract.md, alerts aside, on a running stack."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.stack import Stack
from tests.patience import wait_for

NUMBER = (int, float)
STATS = {
    "queue_depth": int,
    "active_workers": int,
    "total_workers": int,
    "cpu_usage_percent": NUMBER,
    "memory_usage_percent": NUMBER,
    "total_tasks_submitted": int,
    "tasks_completed": int,
    "tasks_failed": int,
    "queues": list,
}
WORKER = {
    "worker_id": str,
    "hostname": str,
    "status": str,
    "uptime_seconds": int,
    "task_rate": NUMBER,
    "error_rate": NUMBER,
    "capacity_utilization": NUMBER,
}
TRENDS = {
    "completion_rate": NUMBER,
    "average_wait_time_seconds": NUMBER,
    "peak_loads": list,
    "failure_patterns": list,
    "interval": str,
    "series": list,
    "by_task": list,
    "by_queue": list,
}
BUCKET = {
    "bucket": str,
    "submitted": int,
    "completed": int,
    "failed": int,
    "cancelled": int,
    "average_wait_seconds": (*NUMBER, type(None)),
    "average_duration_seconds": (*NUMBER, type(None)),
    "p95_duration_seconds": (*NUMBER, type(None)),
}
PATTERN = {"error": str, "count": int, "percentage": NUMBER}


@pytest.fixture(scope="module")
def worked(stack: Stack) -> Stack:
    """The stack after some hundred tasks of known outcome have been through its worker."""
    ids = [stack.submit("celeriac.add", number, 1, queue_name="monitored") for number in range(150)]
    ids += [stack.submit("celeriac.fail", "as it should", queue_name="monitored") for _ in range(30)]
    ids += [stack.submit("process_payment", 1, task_kwargs={"currency": "EUR", "amount": -1}) for _ in range(10)]
    ids += [stack.submit("celeriac.flaky", "key", 1) for _ in range(5)]
    ids += [stack.submit("celeriac.sleep", 0.05) for _ in range(10)]
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    ids += [stack.submit("celeriac.add", 1, 1, scheduled_at=soon) for _ in range(5)]
    late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for _ in range(8):
        task_id = stack.submit("celeriac.add", 1, 1, scheduled_at=late)
        assert stack.client.post(f"/tasks/{task_id}/cancel").status_code == 200
    for task_id in ids:
        stack.wait_for_end(task_id)
    return stack


def get(stack: Stack, path: str, **parameters: Any) -> dict[str, Any]:
    answer = stack.client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(stack: Stack, question: str) -> list[dict[str, Any]]:
    with psycopg.connect(stack.database_url, row_factory=dict_row) as connection:
        return connection.execute(question).fetchall()


def assert_has(answer: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, kind in fields.items():
        assert isinstance(answer[name], kind), (name, answer[name])
        assert not isinstance(answer[name], bool), name


def test_system_statistics_have_the_fields_of_the_reference(worked: Stack) -> None:
    stats = get(worked, "/dashboard/stats")
    assert_has(stats, STATS)
    assert stats["queue_depth_source"] == "broker"
    for queue in stats["queues"]:
        assert_has(queue, {"name": str, "waiting": int, "unacked": int})
    assert {"celery", "monitored"} <= {queue["name"] for queue in stats["queues"]}
    assert 0 < stats["memory_usage_percent"] <= 100


def test_workers_are_counted_as_the_list_of_workers_shows_them(worked: Stack) -> None:
    stats = get(worked, "/dashboard/stats")
    statuses = [worker["status"] for worker in get(worked, "/workers")["workers"]]
    assert (stats["total_workers"], stats["active_workers"]) == (len(statuses), statuses.count("ACTIVE"))
    assert stats["active_workers"] > 0


def test_system_statistics_equal_a_count_of_the_tasks(worked: Stack) -> None:
    def equal() -> bool:
        counts = Counter({row["status"]: row["count"] for row in ask(worked, BY_STATUS)})
        stats = get(worked, "/dashboard/stats")
        found = (stats["total_tasks_submitted"], stats["tasks_completed"], stats["tasks_failed"])
        return found == (counts.total(), counts["COMPLETED"], counts["FAILED"])

    wait_for(equal)


BY_STATUS = "SELECT status, count(*) FROM tasks GROUP BY 1"


def test_the_queue_depth_is_what_waits(worked: Stack) -> None:
    before = _accounted_for(worked)
    tasks = [worked.submit("celeriac.sleep", 4) for _ in range(2)] + [worked.submit("celeriac.echo") for _ in range(20)]
    # Two run, and the worker prefetches what it may; the rest waits in the broker.
    wait_for(lambda: _accounted_for(worked) - before == len(tasks))
    stats = get(worked, "/dashboard/stats")
    assert stats["queue_depth"] == stats["undispatched"] + sum(queue["waiting"] for queue in stats["queues"]) > 0
    assert _our_worker(worked)["capacity_utilization"] == 1.0
    for task_id in tasks:
        worked.wait_for_end(task_id)


def _our_worker(stack: Stack) -> dict[str, Any]:
    """The one that runs; other tests may have registered some."""
    (found,) = (row for row in get(stack, "/dashboard/workers")["workers"] if row["uptime_seconds"] is not None)
    return dict(found)


def _accounted_for(stack: Stack) -> int:
    stats = get(stack, "/dashboard/stats")
    return int(stats["queue_depth"] + sum(queue["unacked"] for queue in stats["queues"]))


def test_the_worker_grid_has_the_fields_of_the_reference(worked: Stack) -> None:
    grid = get(worked, "/dashboard/workers")
    assert grid["workers"] == grid["data"]
    assert (grid["total"], grid["limit"], grid["offset"]) == (len(grid["data"]), 50, 0)
    worker = _our_worker(worked)
    assert_has(worker, WORKER)
    assert worker["status"] == "ACTIVE"
    assert 0 < worker["uptime_seconds"] < 600


def test_the_rates_of_the_grid_equal_a_count_of_the_tasks(worked: Stack) -> None:
    def equal() -> bool:
        worked.wait_for_end(worked.submit("celeriac.echo", 1))
        worker = _our_worker(worked)
        (ended,) = ask(
            worked,
            "SELECT count(*) FILTER (WHERE status = 'FAILED') AS failed, count(*) AS all FROM tasks "
            "WHERE date_bin('10 seconds', completed_at, 'epoch') > now() - interval '65 seconds' AND node IS NOT NULL",
        )
        if not ended["all"]:
            return False
        rates = (ended["all"], 100 * ended["failed"] / ended["all"])
        return (worker["task_rate"], worker["error_rate"]) == pytest.approx(rates, abs=1e-6)

    wait_for(equal)


@pytest.mark.parametrize("interval", ["hourly", "daily"])
def test_trends_have_the_fields_of_the_reference(worked: Stack, interval: str) -> None:
    trends = get(worked, "/analytics/trends", hours=48, interval=interval)
    assert_has(trends, TRENDS)
    assert trends["interval"] == interval
    for bucket in trends["series"]:
        assert_has(bucket, BUCKET)
    for pattern in trends["failure_patterns"]:
        assert_has(pattern, PATTERN)
    starts = [datetime.fromisoformat(bucket["bucket"]) for bucket in trends["series"]]
    step = timedelta(hours=1) if interval == "hourly" else timedelta(days=1)
    assert all(later - start == step for start, later in pairwise(starts))
    assert starts[0] <= datetime.now(UTC) - timedelta(hours=48) < starts[0] + step
    assert starts[-1] <= datetime.now(UTC)


def test_trends_equal_a_count_of_the_tasks(worked: Stack) -> None:
    trends = wait_for(lambda: _settled(worked))
    (whole,) = ask(worked, WHOLE)
    rate = 100 * whole["completed"] / (whole["completed"] + whole["failed"])
    assert trends["completion_rate"] == pytest.approx(rate, abs=1e-6)
    assert trends["average_wait_time_seconds"] == pytest.approx(float(whole["wait"]), abs=1e-6)
    counts = [whole[name] for name in COUNTED]
    assert _sum(trends["series"]) == _sum(trends["by_task"]) == _sum(trends["by_queue"]) == counts
    patterns = [(row["error"], row["count"], row["percentage"]) for row in trends["failure_patterns"]]
    expected = [(row["error"], row["count"], 100 * row["count"] / whole["failed"]) for row in ask(worked, ERRORS)]
    assert patterns == [(error, count, pytest.approx(share, abs=1e-6)) for error, count, share in expected]


def _settled(stack: Stack) -> dict[str, Any] | None:
    """The trends once the tasks of all tests have ended; those of other tests may still be on their way."""
    trends, (whole,) = get(stack, "/analytics/trends"), ask(stack, WHOLE)
    return trends if _sum(trends["series"]) == [whole[name] for name in COUNTED] else None


COUNTED = ("submitted", "completed", "failed", "cancelled")
WHOLE = """
SELECT count(*) AS submitted,
       count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE status = 'FAILED') AS failed,
       count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled,
       avg(greatest(0, extract(epoch FROM first_started_at - greatest(created_at, scheduled_at))))
           FILTER (WHERE first_started_at IS NOT NULL) AS wait
FROM tasks
"""
ERRORS = """
SELECT split_part(exception, ':', 1) AS error, count(*) FROM tasks WHERE status = 'FAILED'
GROUP BY 1 ORDER BY 2 DESC, 1
"""


def _sum(rows: list[dict[str, Any]]) -> list[int]:
    return [sum(row[name] for row in rows) for name in COUNTED]


def test_the_peak_is_the_hour_in_which_the_tasks_were_submitted(worked: Stack) -> None:
    hours = ask(worked, "SELECT to_char(created_at AT TIME ZONE 'UTC', 'HH24:00') AS t FROM tasks GROUP BY 1")
    assert sorted(get(worked, "/analytics/trends")["peak_loads"]) == sorted(row["t"] for row in hours)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/analytics/trends?hours=0", "hours"),
        ("/analytics/trends?hours=2161", "hours"),
        ("/analytics/trends?hours=many", "hours"),
        ("/analytics/trends?interval=weekly", "interval"),
        ("/analytics/trends?days=1", "days"),
        ("/dashboard/stats?limit=1", "limit"),
        ("/dashboard/workers?limit=0", "limit"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(stack: Stack, path: str, field: str) -> None:
    answer = stack.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_the_longest_window_is_ninety_days(stack: Stack) -> None:
    assert len(get(stack, "/analytics/trends", hours=2160, interval="daily")["series"]) == 91
