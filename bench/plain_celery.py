"""What everyone has without us: `app.send_task`, one task after another in one process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from bench.figures import Turn
from bench.stack import QUEUE, Servers

TASK_NAME = "celeriac.add"
ARGUMENTS = (2, 3)


@contextmanager
def plain_app(servers: Servers, *, results: bool = True) -> Iterator[Celery]:
    """Make an application of the usual kind. With a result backend each send also subscribes to its result's
    channel."""
    backend = servers.result_url if results else None
    app = Celery("bench", broker=servers.broker_url, backend=backend, set_as_current=False)
    try:
        yield app
    finally:
        app.close()


def send_for(app: Celery, seconds: float) -> Turn:
    """Send as many as can be sent in this time."""
    latencies: list[float] = []
    begun = time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        _send(app)
        latencies.append(time.perf_counter() - now)
    return Turn(len(latencies), time.perf_counter() - begun, tuple(latencies))


def send_many(app: Celery, count: int) -> Turn:
    """Send so many, however long it takes."""
    begun = time.perf_counter()
    for _ in range(count):
        _send(app)
    return Turn(count, time.perf_counter() - begun)


def _send(app: Celery) -> None:
    app.send_task(TASK_NAME, args=ARGUMENTS, queue=QUEUE)
