"""Replays on the wire: what may differ from the original, and the new task."""

import json
from typing import Annotated, Any

from pydantic import MISSING, AfterValidator, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.tasks import MaxRetries, Priority, SubmittedTask, TimeoutSeconds
from api.schemas.types import JsonArray, JsonObject, QueueName, Time, Timestamp
from domain.redaction.values import MASK, has_mask

_AS_STORED = {"task_args": "args", "task_kwargs": "kwargs"}


def _without_masks(arguments: Any) -> Any:
    """Refuse what was copied from an answer: the task would run with the mask in the place of the value."""
    if has_mask(arguments):
        raise ValueError(f"holds {MASK}, the mask of a hidden value; leave it out to replay with the true ones")
    return arguments


class TaskReplay(RequestModel):
    """The body of a replay, which may be left out: each field that is given takes the place of the original's."""

    task_args: Annotated[JsonArray, AfterValidator(_without_masks)] | MISSING = MISSING
    task_kwargs: Annotated[JsonObject, AfterValidator(_without_masks)] | MISSING = MISSING
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


class ReplayCountModel(ResponseModel):
    """How often a task was run again."""

    task_id: str
    replays: int = Field(examples=[2])
    last_replayed_at: Timestamp


class ReplayCounts(ResponseModel):
    """Which of some tasks were run again already."""

    data: list[ReplayCountModel] = Field(
        description="In the order of `ids`; those of which no replay is known are left out."
    )
