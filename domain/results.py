"""A task's true end, as the result backend keeps it."""

from dataclasses import dataclass
from datetime import datetime

from domain.clocks import credible_time
from domain.facts import BACKEND, Fact
from domain.states import EventType, Status

END_OF_BACKEND_STATE = {
    "SUCCESS": (Status.COMPLETED, EventType.SUCCEEDED),
    "FAILURE": (Status.FAILED, EventType.FAILED),
}
"""Celery's states that prove an end. REVOKED does not: a restarted worker may still run the task."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What a worker stored about a task."""

    task_id: str
    state: str
    """Celery's word: STARTED, SUCCESS, FAILURE, RETRY, REVOKED..."""
    result_json: str | None = None
    """The return value as JSON text; None unless SUCCESS, or where it was too large."""
    result_truncated: bool = False
    """Whether the return value was above 1 MiB and is left out."""
    exception_type: str | None = None
    exception_message: str | None = None
    traceback: str | None = None
    date_done: datetime | None = None
    retries: int | None = None
    worker: str | None = None
    queue: str | None = None
    name: str | None = None

    @property
    def status(self) -> Status | None:
        """The end that it proves, if any."""
        end = END_OF_BACKEND_STATE.get(self.state)
        return end[0] if end else None

    def as_fact(self, *, seen_at: datetime) -> Fact:
        """The end as a fact, for a task whose own event of it was missed. Only where `status` is not None."""
        _, event_type = END_OF_BACKEND_STATE[self.state]
        return Fact(
            task_id=self.task_id,
            type=event_type,
            at=credible_time(self.date_done, heard=seen_at) if self.date_done else seen_at,
            key=f"backend:{event_type}:{self.retries or 0}"
            + (f":{self.date_done:%Y%m%dT%H%M%S.%f}" if self.date_done else ""),
            node=self.worker,
            retries=self.retries,
            details={"source": BACKEND, "exception": self.error, "traceback": self.traceback},
        )

    @property
    def error(self) -> str | None:
        """`ValueError: no such order`, for a failure."""
        return f"{self.exception_type}: {self.exception_message}" if self.exception_type else None
