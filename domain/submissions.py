"""What a client submits, after validation, and the bounds that hold for it (docs/rest-contract.md)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.errors import InvalidRequest
from domain.states import Phase, Status

DEFAULT_PRIORITY = 5
DEFAULT_MAX_RETRIES = 3
MAX_ARGUMENT_BYTES = 1024 * 1024
MAX_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Submission:
    """A task to be stored and dispatched. `args` and `kwargs` are JSON texts, stored as they are."""

    task_id: str
    task_name: str
    args: str
    kwargs: str
    queue_name: str
    priority: int
    max_retries: int
    timeout_seconds: int | None
    scheduled_at: datetime | None
    """When to run at the earliest; None, or a time that has passed, means at once."""
    created_at: datetime
    original_task_id: str | None = None
    workflow_id: UUID | None = None
    """The workflow of which it is a step."""
    submitted_by: str | None = None
    """The author of the request that it came with (`domain/principals.py`)."""

    @property
    def status(self) -> Status:
        """The status of every task that was just submitted, scheduled ones too."""
        return Status.PENDING

    @property
    def argument_bytes(self) -> int:
        """How large its arguments are together."""
        return len(self.args) + len(self.kwargs)

    @property
    def is_scheduled(self) -> bool:
        """Whether it must wait."""
        return self.scheduled_at is not None and self.scheduled_at > self.created_at

    @property
    def phase(self) -> Phase:
        """The phase in which a task begins that was just submitted."""
        return Phase.SCHEDULED if self.is_scheduled else Phase.DISPATCHING

    @property
    def due_at(self) -> datetime:
        """Return when the task may run."""
        return due_at(self.created_at, self.scheduled_at)


def due_at(created_at: datetime, scheduled_at: datetime | None) -> datetime:
    """When the task may run."""
    return max(created_at, scheduled_at or created_at)


def wait_until_start(started_at: datetime, *, created_at: datetime, scheduled_at: datetime | None) -> timedelta:
    """Return the wait from when the task was due. Two clocks tell of it, so one that seems negative is nothing."""
    return max(started_at - due_at(created_at, scheduled_at), timedelta(0))


def check_size(args: str, kwargs: str) -> None:
    """Raises InvalidRequest if these JSON texts are too large together."""
    if len(args) + len(kwargs) > MAX_ARGUMENT_BYTES:
        raise InvalidRequest(
            "task_args and task_kwargs are larger than 1 MiB together.",
            errors=(("task_args", f"at most {MAX_ARGUMENT_BYTES} bytes of JSON together with task_kwargs"),),
        )
