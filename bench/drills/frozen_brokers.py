"""Valkey and RabbitMQ stopped in turn: health answers within 2 s, submissions are taken, and all runs afterwards."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from bench.drills.findings import DrillReport, Finding, at_most, equal, present
from bench.drills.freezing import frozen, server_of
from bench.drills.readers import Readers, slowest, statuses
from bench.rabbitmq import rabbitmq, rabbitmq_program
from bench.report import JsonFile
from bench.stack import Stack, running_up, wait_until

PATHS = ("/health", "/health/ready", "/resilience/summary", "/tasks?limit=10", "/dashboard/stats")
HEALTH_PATHS = PATHS[:3]
SUBMISSIONS = 20
RECOVERY_SECONDS = 60.0


def main(
    seconds: Annotated[int, typer.Option(min=3, help="How long each broker is frozen.")] = 20,
    json_file: JsonFile = None,
) -> None:
    """Freeze Valkey, then RabbitMQ where it is installed."""
    present(measure(seconds=seconds), json_file)


def measure(*, seconds: int) -> DrillReport:
    """Freeze each broker for so long, and hold health, submissions and what runs afterwards against the promises."""
    findings, notes = list(_valkey(seconds)), []
    if rabbitmq_program():
        findings += _rabbitmq(seconds)
    else:
        notes.append("RabbitMQ is not installed: not tried.")
    return DrillReport(title=f"Brokers frozen for {seconds} s", findings=findings, notes=notes)


def _valkey(seconds: int) -> Iterator[Finding]:
    with running_up(workers=1) as stack:
        yield from _freeze(stack, "Valkey", processes=[server_of(stack.pid, "valkey-server")], seconds=seconds)


def _rabbitmq(seconds: int) -> Iterator[Finding]:
    with (
        _running_rabbitmq() as (url, processes),
        running_up(workers=1, environment={"CELERIAC_BROKER_URL": url}) as stack,
    ):
        yield from _freeze(stack, "RabbitMQ", processes=processes, seconds=seconds)


@contextmanager
def _running_rabbitmq() -> Iterator[tuple[str, list[psutil.Process]]]:
    """Start a broker; yields its URL and its processes."""
    before = set(psutil.Process().children())
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder, rabbitmq(Path(folder)) as url:
        yield url, [child for child in psutil.Process().children() if child not in before]


def _freeze(stack: Stack, name: str, *, processes: list[psutil.Process], seconds: int) -> Iterator[Finding]:
    with (
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as client,
        Readers(stack.api_url, PATHS) as readers,
    ):
        frozen_at = time.monotonic()
        with frozen(processes):
            accepted = sum(_submit(client).status_code == 201 for _ in range(SUBMISSIONS))
            time.sleep(max(0.0, frozen_at + seconds - time.monotonic()))
            health = client.get("/health").json()
        thawed_at = time.monotonic()
        wait_until(lambda: _has_recovered(client), f"{name} and all submissions", seconds=RECOVERY_SECONDS)
        ended_at = time.monotonic()
    for path in PATHS:
        answers = readers.between(frozen_at, thawed_at, path=path)
        promise = f"{name}: slowest {path.partition('?')[0]} ({statuses(answers)})"
        yield at_most(promise, 2 if path in HEALTH_PATHS else 3, seen=slowest(answers), unit=" s")
    yield equal(f"{name}: health of the broker while frozen", "degraded, unhealthy", seen=_verdict(health))
    yield equal(f"{name}: submissions accepted while frozen", SUBMISSIONS, seen=accepted)
    wrong = [answer for answer in readers.between(frozen_at, ended_at) if answer.status in (0, 500)]
    yield equal(f"{name}: answers that were a 500, or none", 0, seen=len(wrong))
    yield at_most(f"{name}: all is well after", RECOVERY_SECONDS, seen=ended_at - thawed_at, unit=" s")


def _verdict(health: dict[str, object]) -> str:
    checks = health["checks"]
    assert isinstance(checks, dict)
    return f"{health['status']}, {checks['broker']}"


def _submit(client: httpx.Client) -> httpx.Response:
    return client.post("/tasks", json={"task_name": "celeriac.add", "task_args": [1, 2]})


def _has_recovered(client: httpx.Client) -> bool:
    health, stats = client.get("/health").json(), client.get("/dashboard/stats").json()
    return (health["status"], stats.get("tasks_completed")) == ("healthy", SUBMISSIONS)
