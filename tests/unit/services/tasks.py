"""Tasks as the store would return them, complete but for what a test says of them."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from services.comparisons import WholeHistory
from services.timeline import TaskHistory
from store.queries.tasks.documents import WholeTask

AT = datetime(2026, 1, 25, 14, 0, tzinfo=UTC)

_PLAIN: dict[str, Any] = {
    "task_id": "t1",
    "task_name": "add",
    "status": "COMPLETED",
    "phase": "finished",
    "priority": 5,
    "queue_name": "celery",
    "created_at": AT,
    "retry_count": 0,
    "result_pending": False,
    "events_from": AT,
    "reconstructed": False,
    "attempt_count": 1,
    "fact_count": 0,
    "submitted_here": True,
    "args": [1, 2],
    "kwargs": {},
    "result": 3,
    "result_truncated": False,
    "has_result": True,
    "is_large": False,
    "attempts": [],
}


def whole_task(**said: Any) -> WholeTask:
    """A task that has completed, with these of its columns."""
    empty: dict[str, Any] = dict.fromkeys(field.name for field in fields(WholeTask))
    return WholeTask(**(empty | _PLAIN | said))


def history(**said: Any) -> WholeHistory:
    """Such a task, of which nothing was told."""
    return TaskHistory(whole_task(**said), [], {}, complete=True, truncated=False)
