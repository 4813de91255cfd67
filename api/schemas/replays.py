"""Replays on the wire: what may differ from the original, and the new task."""

import json
from typing import Any

from pydantic import MISSING

from api.schemas.base import RequestModel
from api.schemas.tasks import MaxRetries, Priority, SubmittedTask, TimeoutSeconds
from api.schemas.types import JsonArray, JsonObject, QueueName, Time

_AS_STORED = {"task_args": "args", "task_kwargs": "kwargs"}


class TaskReplay(RequestModel):
    """The body of a replay, which may be left out: each field that is given takes the place of the original's."""

    task_args: JsonArray | MISSING = MISSING
    task_kwargs: JsonObject | MISSING = MISSING
    priority: Priority | MISSING = MISSING
    queue_name: QueueName | MISSING = MISSING
    max_retries: MaxRetries | MISSING = MISSING
    timeout_seconds: TimeoutSeconds | MISSING | None = MISSING
    scheduled_at: Time | MISSING | None = MISSING

    def changes(self) -> dict[str, Any]:
        """What was given, under the names of `domain.submissions.Submission`."""
        given = self.model_dump()
        arguments = {_AS_STORED[name]: json.dumps(given.pop(name)) for name in _AS_STORED if name in given}
        return given | arguments


class ReplayedTask(SubmittedTask):
    """The new task."""

    original_task_id: str
