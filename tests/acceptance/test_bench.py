"""Every benchmark runs, with numbers too small to mean anything: no figure is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import PROGRAMS
from bench.dashboard.chromium import chromium_program
from bench.history import PAGES
from bench.rabbitmq import rabbitmq_program
from bench.stack import POSTGRES_TO_COPY
from tests.embedded import migrated_postgres

RUN_SECONDS = 800
"""None takes a tenth of it on a machine that is not busy."""
pytestmark = pytest.mark.timeout(RUN_SECONDS + 40)

BROKERS = ("Redis", "RabbitMQ") if rabbitmq_program() else ("Redis",)
TINY = {
    "whole_life": ["--tasks", "20", "--rounds", "1", "--seconds", "1", "--idle", "1"],
    "submission": ["--seconds", "0.2", "--connections", "2", "--rounds", "1"],
    "dispatch": ["--tasks", "20", "--rounds", "1"],
    "ingest": ["--tasks", "20", "--rounds", "1"],
    "mirrors": ["--tasks", "20", "--rounds", "1"],
    "latency": ["--tasks", "2"],
    "reading": ["--seconds", "0.2", "--connections", "2", "--rounds", "1"],
    "plugin": ["--tasks", "20", "--rounds", "1"],
    "retention": ["--tasks", "20", "--rounds", "1"],
    "history": ["--tasks", "1000", "--repeat", "1", "--export", "100"],
    "trends": ["--tasks", "1000", "--names", "2", "--requests", "1", "--rounds", "1"],
    # All stages take a minute.
    "scale_out": ["--stage", "submission", "--seconds", "0.2", "--rounds", "1"],
    "caches": ["--portions", "2", "--rounds", "1"],
    "memory": ["--seconds", "1"],
    "workflows": ["--steps", "3", "--width", "2", "--idle-steps", "3", "--rounds", "1"],
    # The walk through all pages and back takes minutes where others work too.
    "dashboard": [
        *("--stage", "load", "--stage", "list", "--stage", "idle"),
        *("--tasks", "20", "--rows", "300", "--seconds", "1", "--rounds", "1"),
    ],
}
CONTENDERS = {
    "whole_life": ["celeriac", "plain celery"],
    "submission": [
        "POST /tasks",
        "POST /tasks/batch",
        "Flower send-task",
        "Flower async-apply",
        "send_task",
        "trivial app",
    ],
    "dispatch": ["loops", "send_task", "no backend"],
    "ingest": ["mirror", "COPY"],
    "mirrors": [f"{broker}, {count}" for broker in BROKERS for count in ("one", "two")],
    "latency": ["POST answered", "POST to started", "POST to COMPLETED seen", "POST ?async=false"],
    "reading": ["GET /tasks/{id}", "GET /analytics/trends", "GET /analytics/trends, max-age=1"],
    "plugin": ["stock", "plugged"],
    "retention": ["retention"],
    "history": [
        *PAGES,
        *(f"preset {name}" for name in ("failed_today", "high_priority_pending", "stuck_tasks")),
        "trends over 30 days",
        "statistics",
    ],
    "trends": ["hourly", "daily"],
    "scale_out": ["submission, one", "submission, two"],
    "caches": ["warm", "after other data", "after a rest"],
    "workflows": ["chain, workflow", "chain, canvas", "fan-out, workflow", "fan-out, canvas", "step to next step"],
    "dashboard": [
        f"{side}{page}, {step}"
        for page in ("", ", list of tasks")
        for side in ("celeriac", "Flower")
        for step in ("first paint", "usable")
    ],
}


def test_every_program_is_tried() -> None:
    assert {*PROGRAMS} == TINY.keys() == {*CONTENDERS, "memory"}


@pytest.mark.parametrize("program", CONTENDERS)
def test_a_benchmark_measures_every_contender(program: str, tmp_path: Path) -> None:
    if program == "dashboard" and chromium_program() is None:
        pytest.skip("no Chromium is installed here: apt-get install chromium")
    told = reported(program, tmp_path)
    assert [series["name"] for series in told["series"]] == CONTENDERS[program]
    assert all((series["rate"] or series["latency_ms"]["p50"]) > 0 for series in told["series"])


def test_the_memory_of_every_process_is_told(tmp_path: Path) -> None:
    told = {process["name"]: process for process in reported("memory", tmp_path)["processes"]}
    ours = {"up", "api", "loops", "mirror", "worker", "worker child", "flower"}
    assert told.keys() == ours | {"postgres", "valkey-server"}
    for process in told.values():
        assert 0 < process["load"]["pss"] <= process["load"]["rss"]
        assert process["rest"]["processes"] <= process["load"]["processes"]
    assert {told[name]["rest"]["processes"] for name in ours - {"worker child"}} == {1}


def reported(program: str, folder: Path) -> dict[str, Any]:
    """Its JSON, of which the table tells the same."""
    report = folder / "report.json"
    command = [sys.executable, "-m", f"bench.{program}", *TINY[program], "--json", str(report)]
    environment = os.environ | {POSTGRES_TO_COPY: str(migrated_postgres())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(report.read_text())
    assert told["title"] in " ".join(done.stdout.split())
    return told
