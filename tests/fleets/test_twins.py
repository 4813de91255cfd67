"""Two workers under one name, as in a scaled service with a fixed `-n`: the second takes nothing from the first."""

from collections.abc import Iterator

import pytest

from tests.fleets.fleet import Fleet, fleet
from tests.patience import moments, wait_for

APP = """
import os
import time

import ledger
from celery import Celery

app = Celery("twins", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.worker_prefetch_multiplier = 1


@app.task(name="twins.late", acks_late=True)
def late(label, seconds):
    ledger.note(label)
    time.sleep(seconds)
    return label


@app.task(name="twins.early")
def early(label, seconds):
    ledger.note(label)
    time.sleep(seconds)
    return label
"""
RUN_SECONDS = 25
"""Both are heard every 2 s and asked every 5 s; whose answer came first decided what became of the tasks."""
OPTIONS = ("--concurrency", "2")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("twins")) as found:
        found.write_app("twins", APP)
        found.start_worker("twins", "twins", *OPTIONS)
        yield found


def test_what_the_first_runs_stays_with_it_and_the_shared_name_is_said(twins: Fleet) -> None:
    stack = twins.stack
    running = {label: stack.submit(f"twins.{label}", label, RUN_SECONDS) for label in ("late", "early")}
    for task_id in running.values():
        wait_for(lambda task_id=task_id: stack.task(task_id)["status"] == "RUNNING")  # type: ignore[misc]
    (worker,) = stack.client.get("/workers").json()["data"]
    twins.start_worker("twins", "twins", *OPTIONS)
    seen: set[tuple[str, str]] = set()
    messages: set[str] = set()
    for _ in moments(RUN_SECONDS, every=0.5):
        seen |= {(label, stack.task(task_id)["status"]) for label, task_id in running.items()}
        messages.add(stack.client.get(f"/workers/{worker['worker_id']}").json()["message"] or "")
    for label, task_id in running.items():
        task = stack.wait_for_end(task_id)
        assert (task["status"], task["result"], len(twins.starts(label))) == ("COMPLETED", label, 1)
    assert {status for _, status in seen} <= {"RUNNING", "COMPLETED"}
    assert any("Several workers run under this name" in message for message in messages)
