"""Tasks that do one plain thing each, for trying out and testing: return, add, wait, fail, recover."""

import time
from typing import Any

from celery import Task

from tasks.app import app

RETRY_SECONDS = 0.2


@app.task(name="celeriac.echo")
def echo(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments it was given, as `{"args": [...], "kwargs": {...}}`."""
    return {"args": list(args), "kwargs": kwargs}


@app.task(name="celeriac.add")
def add(x: Any, y: Any) -> Any:
    """`x + y`."""
    return x + y


@app.task(name="celeriac.sleep")
def sleep(seconds: float) -> float:
    """Returns `seconds` after so many seconds."""
    time.sleep(seconds)
    return seconds


@app.task(name="celeriac.fail")
def fail(message: str) -> None:
    """Raises RuntimeError with this message, and is not retried."""
    raise RuntimeError(message)


@app.task(name="celeriac.flaky", bind=True)
def flaky(self: Task[..., Any], key: str, failures: int) -> dict[str, Any]:
    """Fails `failures` times, then succeeds, through Celery's own retry: `{"key", "attempts"}`.

    The count travels in the message, so any worker may take the next attempt. `key` only names the thing that is flaky.
    """
    attempt = self.request.retries
    if attempt < failures:
        # Not at once: the next run could store its SUCCESS before this one stores its RETRY over it, since Celery's
        # result backends read and then write.
        raise self.retry(exc=RuntimeError(f"{key}: failure {attempt + 1} of {failures}"), countdown=RETRY_SECONDS)
    return {"key": key, "attempts": attempt + 1}
