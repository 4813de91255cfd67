"""Task messages for tests."""

from typing import Any

from uuid_utils.compat import uuid7

from gateway.messages import TaskMessage


def make_message(task_name: str = "celeriac.add", *args: Any, **given: Any) -> TaskMessage:
    """A message of a task with these arguments, and what the test gives instead of the usual."""
    usual: dict[str, Any] = {
        "task_id": str(uuid7()),
        "task_name": task_name,
        "args": list(args),
        "kwargs": {},
        "queue_name": "celery",
        "priority": 5,
        "timeout_seconds": None,
        "max_retries": None,
        "dispatch_no": 1,
    }
    return TaskMessage(**(usual | given))
