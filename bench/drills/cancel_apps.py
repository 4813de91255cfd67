"""Two Celery apps as somebody else might write them, one with the plugin; their tasks note each beginning and end."""

import os
import time
from typing import Any

from celeriac_worker import install
from celery import Celery, Task

from bench.drills.notes import note

RUN, RETRY = "matrix.run", "matrix.retry"
PREFETCH_VARIABLE = "DRILL_PREFETCH"
RETRY_SECONDS = 12


def _app(name: str) -> Celery:
    app = Celery(
        name,
        broker=os.environ.get("CELERIAC_BROKER_URL", "memory://"),
        backend=os.environ.get("CELERIAC_RESULT_URL"),
        set_as_current=False,
    )
    app.conf.worker_prefetch_multiplier = int(os.environ.get(PREFETCH_VARIABLE, "1"))
    app.task(name=RUN, bind=True)(_run)
    app.task(name=RETRY, bind=True)(_retry)
    return app


def _run(self: "Task[..., Any]", seconds: float) -> None:
    note(self.request.id, "began")
    time.sleep(seconds)
    note(self.request.id, "ended")


def _retry(self: "Task[..., Any]") -> None:
    note(self.request.id, "began")
    raise self.retry(countdown=RETRY_SECONDS, max_retries=3)


stock = _app("stock")
plugged = _app("plugged")
install(plugged)
