"""Real work through the whole system: every text file of this repository counted, every file hashed."""

import hashlib
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.acceptance.stack import REPOSITORY, Stack
from tests.patience import wait_for

HAPPY_PATH = ["submitted", "dispatched", "received", "started", "succeeded"]
LARGEST_TEXT = 500_000


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    files = [Path(name) for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]
    # What is hidden is nobody's business.
    return [REPOSITORY / file for file in files if not any(part.startswith(".") for part in file.parts)]


def test_files_are_hashed_and_texts_counted_as_an_independent_computation_says(stack: Stack) -> None:
    files = repository_files()[::3]
    texts = {path: text for path in files if (text := _text(path)) is not None}
    expected: dict[str, Any] = {}
    with ThreadPoolExecutor(8) as pool:
        hashed = pool.map(lambda path: stack.submit("celeriac.hash_file", str(path.relative_to(REPOSITORY))), files)
        expected |= dict(zip(hashed, (hashlib.sha256(path.read_bytes()).hexdigest() for path in files), strict=True))
        counted = pool.map(lambda text: stack.submit("celeriac.wordcount", text), texts.values())
        expected |= dict(zip(counted, map(_count, texts.values()), strict=True))
        assert len(expected) >= 200

        def check(task_id: str) -> None:
            task, timeline = stack.wait_for_end(task_id), stack.timeline(task_id)
            assert (task["status"], task["result"]) == ("COMPLETED", expected[task_id])
            assert [event["event_type"] for event in timeline["events"]] == HAPPY_PATH
            assert timeline["complete"] is True

        list(pool.map(check, expected))


def _text(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return text if len(text) < LARGEST_TEXT and "\0" not in text else None


def _count(text: str) -> dict[str, int]:
    return dict(Counter(text.split()))


def test_a_task_that_fails_shows_its_true_error(stack: Stack) -> None:
    task = stack.wait_for_end(stack.submit("celeriac.fail", "no such order"))
    assert (task["status"], task["error"]) == ("FAILED", "RuntimeError: no such order")
    assert "Traceback" in task["traceback"]
    assert stack.events(task["task_id"])[-1] == "failed"


def test_every_retry_is_an_attempt_of_its_own(stack: Stack) -> None:
    task = stack.wait_for_end(stack.submit("celeriac.flaky", "acceptance", 2))
    assert (task["status"], task["retry_count"]) == ("COMPLETED", 2)
    assert [(a["retries"], a["state"]) for a in task["attempts"]] == [(0, "RETRIED"), (1, "RETRIED"), (2, "SUCCEEDED")]
    run = ["received", "started"]
    assert stack.events(task["task_id"]) == [
        "submitted",
        "dispatched",
        *run,
        "retried",
        *run,
        "retried",
        *run,
        "succeeded",
    ]


def test_max_retries_is_a_ceiling(stack: Stack) -> None:
    task = stack.wait_for_end(stack.submit("celeriac.flaky", "ceiling", 5, max_retries=1))
    assert (task["status"], task["retry_count"]) == ("FAILED", 1)


def test_a_task_that_runs_too_long_is_stopped(stack: Stack) -> None:
    task = stack.wait_for_end(stack.submit("celeriac.sleep", 60, timeout_seconds=1, max_retries=0))
    assert task["status"] == "FAILED"
    assert task["error"].startswith("TimeLimitExceeded")


def test_a_scheduled_task_starts_when_it_is_due_and_not_before(stack: Stack) -> None:
    due = datetime.now(UTC) + timedelta(seconds=2)
    task_id = stack.submit("celeriac.echo", "later", scheduled_at=due.isoformat())
    assert stack.task(task_id)["phase"] == "scheduled"
    task = stack.wait_for_end(task_id)
    dispatched = next(e for e in stack.timeline(task_id)["events"] if e["event_type"] == "dispatched")
    late = datetime.fromisoformat(dispatched["timestamp"]) - due
    assert timedelta(0) <= late
    assert datetime.fromisoformat(task["started_at"]) >= due


def test_a_scheduled_task_that_is_cancelled_never_runs(stack: Stack) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1)
    task_id = stack.submit("celeriac.echo", scheduled_at=due.isoformat())
    answer = stack.client.post(f"/tasks/{task_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    after = stack.submit("celeriac.echo", scheduled_at=(due + timedelta(seconds=0.5)).isoformat())
    stack.wait_for_end(after)
    assert stack.events(task_id) == ["submitted", "cancel_requested", "revoked"]


def test_a_running_task_is_stopped_by_a_cancel(stack: Stack) -> None:
    task_id = stack.submit("celeriac.sleep", 60)
    wait_for(lambda: stack.task(task_id)["status"] == "RUNNING")
    answer = stack.client.post(f"/tasks/{task_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_a_finished_task_cannot_be_cancelled(stack: Stack) -> None:
    task_id = stack.submit("celeriac.add", 1, 2)
    stack.wait_for_end(task_id)
    answer = stack.client.post(f"/tasks/{task_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "TASK_ALREADY_FINISHED")


def test_a_submission_may_wait_for_its_end(stack: Stack) -> None:
    answer = stack.client.post(
        "/tasks", params={"async": "false"}, json={"task_name": "celeriac.add", "task_args": [2, 3]}
    )
    assert (answer.status_code, answer.json()["status"], answer.json()["result"]) == (201, "COMPLETED", 5)


def test_the_example_of_the_reference_runs(stack: Stack) -> None:
    task_id = stack.submit(
        "process_payment",
        1234,
        task_kwargs={"currency": "USD", "amount": 99.99},
        priority=8,
        queue_name="payments",
        max_retries=3,
        timeout_seconds=300,
        scheduled_at="2026-01-25T14:30:00Z",
    )
    assert stack.wait_for_end(task_id)["status"] == "COMPLETED"


def test_a_mistyped_task_name_is_refused_with_names_that_look_alike(stack: Stack) -> None:
    answer = stack.client.post("/tasks", json={"task_name": "celeriac.ad"})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNKNOWN_TASK_NAME")
    assert "celeriac.add" in answer.json()["detail"]


def test_the_worker_is_listed_with_what_it_knows_of_itself(stack: Stack) -> None:
    (worker,) = stack.client.get("/workers").json()["workers"]
    assert (worker["status"], worker["pool"], worker["capacity"]) == ("ACTIVE", "prefork", 2)
    assert worker["plugin"] is not None
    status = stack.client.get(f"/workers/{worker['hostname']}/status").json()
    assert status["worker_id"] == worker["worker_id"]


def test_flower_sees_the_same_tasks(stack: Stack) -> None:
    url = stack.flower_url

    def seen() -> dict[str, Any] | None:
        # A new one each time: what ended before Flower listened it never hears of.
        task_id = stack.submit("celeriac.add", 20, 22)
        stack.wait_for_end(task_id)
        answer = httpx.get(f"{url}/api/task/info/{task_id}")
        return answer.json() if answer.status_code == 200 and answer.json()["state"] == "SUCCESS" else None

    assert wait_for(seen)["result"] == "42"


def test_the_login_of_flower_is_said_to_be_in_a_file_and_is_nowhere_else(stack: Stack) -> None:
    password = str(httpx.URL(stack.flower_url).password)
    file = stack.data / "flower" / "password"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (password, 0o600)
    assert f"password is in {file}" in stack.errors()
    shown = [stack.errors(), *(log.read_text(errors="replace") for log in (stack.data / "logs").iterdir())]
    shown += [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [text for text in shown if password in text] == []


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_loads_nothing_from_elsewhere(stack: Stack, page: str) -> None:
    html = httpx.get(f"{stack.url}{page}").text
    links = re.findall(r"(?:src|href)=[\"']([^\"']+)", html)
    assert links
    for link in links:
        assert not link.startswith(("http:", "https:", "//")), link
        assert httpx.get(f"{stack.url}{link}").status_code == 200
