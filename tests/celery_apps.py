"""Celery apps of the test process itself, which sends tasks as any other program does."""

from typing import Any

from celery import Celery


def close_app(app: Celery) -> None:
    """For good: results of it that Python collects later shall not ask a server that is gone then."""
    backend: Any = app.backend
    consumer = backend.result_consumer
    consumer.stop()
    consumer._pubsub = None
    backend.client.connection_pool.disconnect()
    app.close()


def wait_for_result(result_url: str, task_id: str, *, seconds: float) -> object:
    """What the task returned. Backends belong to a thread: call it whole in one."""
    app = Celery(broker="memory://", backend=result_url, set_as_current=False)
    try:
        return app.AsyncResult(task_id).get(timeout=seconds)
    finally:
        close_app(app)
