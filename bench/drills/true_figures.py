"""Every figure of the dashboard and of the trends, next to an independent count of the truth.

Thousands of tasks of known outcome go through the API and two workers. First their rows are held against what was
known beforehand, then the figures against the rows: at rest, and again while tasks run, wait and are held back.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import httpx
import psutil
import typer
from celery import Celery

from bench.drills.findings import DrillReport, Figure, Finding, all_true, equal, present
from bench.drills.truth import (
    BY_NODE,
    BY_STATUS,
    DUE,
    FAILURES,
    PEAKS,
    UNFINISHED,
    UPTIMES,
    WHOLE,
    Database,
    ask_workers,
    count_waiting,
)
from bench.drills.workload import Workload
from bench.plain_celery import plain_app
from bench.report import JsonFile
from bench.stack import Stack, running_up, wait_until

WORKERS, PROCESSES = 2, 2
HELD_QUEUE, HELD_TASKS = "held-back", 25
LONG_TASKS = {"celery": 12, "billing": 5}
LONG_SECONDS = 600
END_SECONDS = 1800.0
STILL_SECONDS = 1.5
COUNTS = ("submitted", "completed", "failed", "cancelled")
AVERAGES = ("average_wait_seconds", "average_duration_seconds")
MICROSECONDS = 2e-6  # ours are rounded to one
P95_SHARE = 0.05  # docs/rest-contract.md, section 6: accurate to 5 %


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of known outcome.")] = 10_000, json_file: JsonFile = None
) -> None:
    """Hold every figure of stats, grid and trends against a count of the raw rows."""
    present(measure(tasks=tasks), json_file)


def measure(*, tasks: int) -> DrillReport:
    """Run so many tasks, and hold every figure against a count of the raw rows."""
    with (
        running_up(workers=WORKERS) as stack,
        plain_app(stack.servers) as app,
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as client,
    ):
        database = Database(stack.servers.database_url)
        begun = time.perf_counter()
        workload = Workload(client, tasks=tasks)
        workload.submit()
        submitted_after = time.perf_counter() - begun
        wait_until(lambda: not database.number(UNFINISHED), "the end of all tasks", seconds=END_SECONDS)
        ended_after = time.perf_counter() - begun
        findings = [
            equal("tasks that ended as they had to", workload.expected.total(), seen=_as_expected(workload, database)),
            *_at_rest(client, database, stack=stack, app=app),
            *_at_work(client, database, stack=stack, app=app),
        ]
        database.close()
    return DrillReport(
        title=f"{len(workload.kinds):,} tasks of known outcome: every figure against a count of the rows",
        findings=findings,
        measured={"submitted after s": submitted_after, "all ended after s": ended_after},
        notes=["Truth: SQL over tasks and attempts, LLEN of Redis' lists, Celery's inspect; no roll-up, no API."],
    )


def _as_expected(workload: Workload, database: Database) -> int:
    found = database.outcomes()
    return sum((workload.expected & found).values()) - sum((found - workload.expected).values())


def _at_rest(client: httpx.Client, database: Database, *, stack: Stack, app: Celery) -> Iterator[Finding]:
    yield from all_true("stats, at rest", _stats(client, database, stack=stack, app=app))
    yield from all_true("grid, at rest", _grid(client, database, app=app))
    for hours in (1, 24, 2160):
        for interval in ("hourly", "daily"):
            trends = _get(client, "/analytics/trends", hours=hours, interval=interval)
            yield from all_true(f"trends of {hours} h, {interval}", _trends(trends, database))


def _at_work(client: httpx.Client, database: Database, *, stack: Stack, app: Celery) -> Iterator[Finding]:
    """Workers are full, tasks wait in two queues, and others are held back by a mark."""
    mark = {"service_name": f"queue:{HELD_QUEUE}", "strategy": "queue_only", "duration_seconds": 3600}
    client.post("/resilience/degradation/mark", json=mark).raise_for_status()
    long = [
        {"task_name": "celeriac.sleep", "task_args": [LONG_SECONDS], "queue_name": queue}
        for queue, count in LONG_TASKS.items()
        for _ in range(count)
    ]
    held = [{"task_name": "celeriac.echo", "queue_name": HELD_QUEUE}] * HELD_TASKS
    task_ids = client.post("/tasks/batch", json={"tasks": [*long, *held]}).raise_for_status().json()["task_ids"]
    _wait_until_still(client)
    yield from all_true("stats, at work", _stats(client, database, stack=stack, app=app))
    yield from all_true("grid, at work", _grid(client, database, app=app))
    answers = [client.post(f"/tasks/{task_id}/cancel").status_code for task_id in task_ids]
    yield equal("cancels that were refused", 0, seen=sum(status not in (200, 202) for status in answers))
    wait_until(lambda: not database.number(UNFINISHED), "the end of the cancelled tasks", seconds=60)
    yield from all_true("stats, after cancels", _stats(client, database, stack=stack, app=app))
    yield from all_true("trends, after cancels", _trends(_get(client, "/analytics/trends"), database))


def _wait_until_still(client: httpx.Client) -> None:
    """Wait until the figures stay the same: workers have fetched what they may, and the mirror has written it."""
    last: tuple[object, float] = (None, 0.0)

    def is_still() -> bool:
        nonlocal last
        stats = _get(client, "/dashboard/stats")
        seen = (stats["queue_depth"], stats["undispatched"], stats["queues"])
        if seen != last[0] or stats["undispatched"] < HELD_TASKS:
            last = (seen, time.monotonic())
        return time.monotonic() - last[1] > STILL_SECONDS

    wait_until(is_still, "steady queues")


def _stats(client: httpx.Client, database: Database, *, stack: Stack, app: Celery) -> Iterator[Figure]:
    stats, held = _get(client, "/dashboard/stats"), ask_workers(app, expected=WORKERS)
    waiting, due = count_waiting(stack.servers.broker_url), database.number(DUE)
    counts = {row["status"]: row["count"] for row in database.rows(BY_STATUS)}
    yield Figure("queue_depth", waiting.total() + due, stats["queue_depth"])
    yield Figure("undispatched", due, stats["undispatched"])
    yield Figure("active_workers", len(held.processes), stats["active_workers"])
    yield Figure("total_workers", WORKERS, stats["total_workers"])
    yield Figure("total_tasks_submitted", sum(counts.values()), stats["total_tasks_submitted"])
    for status in ("completed", "failed", "cancelled"):
        yield Figure(f"tasks_{status}", counts.get(status.upper(), 0), stats[f"tasks_{status}"])
    for queue in stats["queues"]:
        yield Figure(f"{queue['name']} waiting", waiting.pop(queue["name"], 0), queue["waiting"])
        yield Figure(f"{queue['name']} unacked", held.by_queue.pop(queue["name"], 0), queue["unacked"])
    yield Figure("messages in queues that are not listed", 0, waiting.total() + held.by_queue.total())
    memory = psutil.virtual_memory()
    yield Figure("memory_usage_percent", 100 - 100 * memory.available / memory.total, stats["memory_usage_percent"], 3)
    yield Figure("cpu_usage_percent is a percentage", True, 0 <= stats["cpu_usage_percent"] <= 100)


def _grid(client: httpx.Client, database: Database, *, app: Celery) -> Iterator[Figure]:
    """Rates are of a moving window: asked again if the truth has moved meanwhile."""
    while True:
        ended = _by_node(database)
        rows = {row["hostname"]: row for row in _get(client, "/dashboard/workers")["workers"]}
        if ended == _by_node(database):
            break
    held = ask_workers(app, expected=WORKERS)
    uptimes = {row["node"]: row["seconds"] for row in database.rows(UPTIMES)}
    yield Figure("workers", len(held.processes), len(rows))
    for node, processes in held.processes.items():
        told = rows.get(node.removeprefix("celery@"), {})
        rates = ended.get(node, {"rate": 0, "errors": None})
        yield Figure(f"{node} status", "ACTIVE", told.get("status"))
        yield Figure(f"{node} uptime_seconds", uptimes[node], told.get("uptime_seconds"), 2)
        yield Figure(f"{node} task_rate", rates["rate"], told.get("task_rate"), MICROSECONDS)
        yield Figure(f"{node} error_rate", rates["errors"], told.get("error_rate"), MICROSECONDS)
        used = held.running[node] / processes
        yield Figure(f"{node} capacity_utilization", used, told.get("capacity_utilization"), MICROSECONDS)


def _by_node(database: Database) -> dict[str, Mapping[str, float]]:
    rows = database.rows(BY_NODE)
    return {row["node"]: {"rate": float(row["rate"]), "errors": float(row["errors"])} for row in rows}


def _trends(trends: dict[str, Any], database: Database) -> Iterator[Figure]:
    window = {name: datetime.fromisoformat(trends[name]) for name in ("since", "until")}
    (whole,) = database.rows(WHOLE, **window)
    yield Figure("completion_rate", whole["completion_rate"], trends["completion_rate"], MICROSECONDS)
    wait = whole["average_wait_seconds"]
    yield Figure("average_wait_time_seconds", float(wait), trends["average_wait_time_seconds"], MICROSECONDS)
    peaks = [row["hour"] for row in database.rows(PEAKS, **window)]
    yield Figure("peak_loads", ", ".join(peaks), ", ".join(trends["peak_loads"]))
    failures = database.rows(FAILURES, **window)
    yield Figure("failure_patterns", len(failures), len(trends["failure_patterns"]))
    for row, told in zip(failures, trends["failure_patterns"], strict=False):
        yield Figure("failure_patterns error", row["error"], told["error"])
        yield Figure(f"{row['error']} count", row["count"], told["count"])
        yield Figure(f"{row['error']} percentage", row["percentage"], told["percentage"], MICROSECONDS)
    for name, key in (("by_task", "task_name"), ("by_queue", "queue_name")):
        truth = database.grouped(name, **window)
        yield from _figures(truth, {row[key]: row for row in trends[name]})
    truth = database.grouped(trends["interval"], **window)
    yield from _figures(truth, {datetime.fromisoformat(row["bucket"]): row for row in trends["series"]})


def _figures(truth: Mapping[Any, Mapping[str, Any]], told: Mapping[Any, Mapping[str, Any]]) -> Iterator[Figure]:
    yield Figure("keys that are missing", "", ", ".join(str(key) for key in truth.keys() - told.keys()))
    for key, row in told.items():
        true = truth.get(key, dict.fromkeys(COUNTS, 0))
        name = f"{key:%d %H:%M}" if isinstance(key, datetime) else key
        for field in COUNTS:
            yield Figure(f"{name} {field}", true[field], row[field])
        for field in (*AVERAGES, *({"completion_rate"} & row.keys())):
            yield Figure(f"{name} {field}", _number(true.get(field)), row[field], MICROSECONDS)
        p95 = _number(true.get("p95_duration_seconds"))
        yield Figure(f"{name} p95", p95, row["p95_duration_seconds"], P95_SHARE * (p95 or 0))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _get(client: httpx.Client, path: str, **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path, params=parameters).raise_for_status().json()
    return answer
