"""The Celery app that everybody has without us: two settings against lost tasks, results and events, no plugin.

`celery -A bench.plain_app worker` runs it, and Flower watches it. The broker and the result backend come from the
environment (`BENCH_BROKER_URL`, `BENCH_RESULT_URL`).
"""

import os

from celery import Celery

from bench.plain_celery import TASK_NAME

app = Celery(
    "plain",
    broker=os.environ.get("BENCH_BROKER_URL"),
    backend=os.environ.get("BENCH_RESULT_URL"),
    set_as_current=False,
)
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
app.conf.worker_send_task_events = True


@app.task(name=TASK_NAME)
def add(x: int, y: int) -> int:
    """Return the sum, as the task of ours with the same name does."""
    return x + y
