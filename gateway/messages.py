"""What is handed to the broker for one task. Everything a worker needs to know travels in it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One task to be published. Sent again after doubt, it is the same in every field."""

    task_id: str
    task_name: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue_name: str
    priority: int
    """The priority, 1 to 10, where 10 is most urgent."""
    timeout_seconds: int | None
    """Hard time limit; None leaves the task's own."""
    max_retries: int | None
    """Ceiling on retries that the task itself asks for; workers with our plugin obey it. None leaves the task's own."""
    dispatch_no: int
    """Counts the dispatches of this task; the same again when an outbox row is published twice."""
    retries_base: int = 0
    """The number at which Celery's count of retries begins (see `domain.limits`)."""
