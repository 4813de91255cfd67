"""An ordinary app, with events and without the plugin: all is seen, and what is submitted runs once."""

from collections.abc import Iterator

import pytest

from tests.fleets.fleet import Fleet, fleet

APP = """
import os

import ledger
from celery import Celery

app = Celery("plain", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])


@app.task(name="plain.add")
def add(a, b):
    ledger.note("add")
    return a + b
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("plain")) as found:
        found.write_app("plain", APP)
        found.start_worker("plain", "plain")
        yield found


def test_what_is_submitted_runs_once_and_is_seen(plain: Fleet) -> None:
    task = plain.stack.wait_for_end(plain.stack.submit("plain.add", 2, 3))
    assert (task["status"], task["result"], len(plain.starts("add"))) == ("COMPLETED", 5, 1)
