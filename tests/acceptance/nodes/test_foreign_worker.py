"""A foreign app with one line of ours in it, as a node."""

from typing import Any

import pytest
from celery.result import AsyncResult
from pytest_celery import RESULT_TIMEOUT, CeleryTestSetup

from tests.patience import PATIENCE_SECONDS

FOREIGN_APP = """
import os

from celery import Celery
from celeriac_worker import install

app = Celery("foreign", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.result_extended = True
install(app)


@app.task(name="foreign.fails", bind=True, max_retries=3)
def fails(self):
    raise self.retry(exc=ValueError("again"), countdown=0)
"""


@pytest.fixture
def worker_app() -> str:
    return FOREIGN_APP


def test_the_plugin_keeps_a_foreign_task_to_the_retries_of_its_submission(celery_setup: CeleryTestSetup) -> None:
    limited = celery_setup.app.send_task("foreign.fails", headers={"celeriac_max_retries": 1})
    patient = celery_setup.app.send_task("foreign.fails", headers={"celeriac_max_retries": 5})
    unlimited = celery_setup.app.send_task("foreign.fails")
    assert [_retries(result) for result in (limited, patient, unlimited)] == [1, 5, 3]


def test_the_node_tells_that_the_plugin_is_there_and_what_it_can_do(celery_setup: CeleryTestSetup) -> None:
    ((_, stats),) = celery_setup.app.control.inspect(timeout=PATIENCE_SECONDS, limit=1).stats().items()
    told = stats["celeriac"]
    assert (told["version"], told["protocol"], told["priority_steps"]) == ("0.1.0", 1, [0, 3, 6, 9])
    assert {"pause", "drain", "cancel_gate", "single_start", "max_retries"} <= set(told["capabilities"])
    assert told["paused"] is False


def _retries(result: "AsyncResult[Any]") -> int:
    with pytest.raises(ValueError, match="again"):
        result.get(timeout=RESULT_TIMEOUT)
    assert result.retries is not None
    return result.retries
