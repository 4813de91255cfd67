"""Apps whose workers read other lists of a queue than Celery's own: nothing that is submitted strands."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fleets.fleet import Fleet, fleet
from tests.patience import wait_for

APP = """
import os

import ledger
from celery import Celery

app = Celery("steps", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.broker_transport_options = {"priority_steps": [int(step) for step in os.environ["STEPS"].split(",")]}


@app.task(name="steps.note")
def note(label):
    ledger.note(label)
"""
STEPS = {"one": "0", "four": "0,1,2,3", "from-one": "1,2,3,4,5,6,7,8,9,10"}
PRIORITIES = (1, 5, 10)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("options")) as found:
        found.write_app("steps", APP)
        for queue, told in STEPS.items():
            found.start_worker(queue, "steps", "-c", "1", "-Q", queue, answers=False, STEPS=told)
        yield found


def test_every_priority_runs_once_whatever_steps_the_workers_of_its_queue_read(steps: Fleet) -> None:
    wait_for(lambda: len([worker for worker in _workers(steps) if worker["queues"]]) == len(STEPS))
    labels = {f"{queue} {priority}": (queue, priority) for queue in STEPS for priority in PRIORITIES}
    for label, (queue, priority) in labels.items():
        steps.stack.submit("steps.note", label, queue_name=queue, priority=priority)
    wait_for(lambda: all(steps.starts(label) for label in labels))
    assert {label: len(steps.starts(label)) for label in labels} == dict.fromkeys(labels, 1)


def _workers(steps: Fleet) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = steps.stack.client.get("/workers").json()["data"]
    return found
