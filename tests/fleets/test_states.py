"""An ordinary app, with events and without the plugin: what runs once, and what Celery tells of in no event of its own,
as what took the place of a task, and an id used again.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from tests.fleets.fleet import Fleet, fleet
from tests.patience import wait_for

APP = """
import os

import ledger
from celery import Celery, group

app = Celery("told", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])


@app.task(name="told.plan", bind=True)
def plan(self, left):
    ledger.note(f"plan {left}")
    if left:
        return self.replace(plan.si(left - 1))
    return self.replace(group(add.s(number, number) for number in range(3)))


@app.task(name="told.add")
def add(a, b):
    return a + b


@app.task(name="told.report")
def report(day):
    ledger.note(day)
    if day == "tuesday":
        raise OSError("printer on fire")
    return day
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("told")) as found:
        found.write_app("told", APP)
        for name in ("one", "two"):
            found.start_worker(name, "told")
        yield found


def send(fleet: Fleet, name: str, *args: Any, **options: Any) -> str:
    """As the app's own programs do."""
    with Celery(broker=fleet.broker_url, backend=fleet.result_url, set_as_current=False) as app:
        return str(app.send_task(name, args, **options).id)


def test_what_is_submitted_runs_once_and_is_seen(told: Fleet) -> None:
    task = told.stack.wait_for_end(told.stack.submit("told.report", "sunday"))
    assert (task["status"], task["result"], len(told.starts("sunday"))) == ("COMPLETED", "sunday", 1)


def test_runs_of_one_id_are_told_apart(told: Fleet) -> None:
    monday = send(told, "told.report", "monday", task_id="report-daily")
    planned = told.stack.submit("told.plan", 2)
    task = told.stack.wait_for_end(planned)
    assert (task["status"], task["result"]) == ("COMPLETED", [0, 2, 4])
    assert [attempt["state"] for attempt in task["attempts"]] == ["REPLACED"] * 3 + ["SUCCEEDED"]

    assert told.stack.wait_for_end(monday)["result"] == "monday"
    # For a minute what another node receives may be a copy of the message: the same node tells of another use.
    node = told.stack.task(monday)["worker_hostname"]
    wait_for(lambda: _ran_on(told, monday, node=node) or None)
    task = told.stack.task(monday)
    assert (task["status"], task["result"], task["outcome"]) == ("FAILED", None, None)
    assert "printer on fire" in task["error"]


def _ran_on(told: Fleet, task_id: str, *, node: str) -> bool:
    """Whether the report of tuesday has failed on this node; it is asked for until it got there."""
    before = len(told.starts("tuesday"))
    send(told, "told.report", "tuesday", task_id=task_id)
    wait_for(lambda: len(told.starts("tuesday")) > before or None)
    latest = wait_for(lambda: _settled(told.stack.task(task_id), before + 2))
    return bool(latest["worker_hostname"] == node)


def _settled(task: dict[str, Any], attempts: int) -> dict[str, Any] | None:
    """The last attempt, once so many have ended."""
    found: list[dict[str, Any]] = task["attempts"]
    return found[-1] if len(found) == attempts and all(each["finished_at"] for each in found) else None
