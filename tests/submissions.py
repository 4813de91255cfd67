"""Submissions for tests."""

from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from domain.submissions import Submission


def make_submission(**given: Any) -> Submission:
    """A submission of `celeriac.add(2, 3)`, with what the test gives instead of the usual."""
    usual: dict[str, Any] = {
        "task_id": str(uuid7()),
        "task_name": "celeriac.add",
        "args": "[2, 3]",
        "kwargs": "{}",
        "queue_name": "celery",
        "priority": 5,
        "max_retries": 3,
        "timeout_seconds": None,
        "scheduled_at": None,
        "created_at": datetime.now(UTC),
    }
    return Submission(**(usual | given))
