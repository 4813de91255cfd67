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
class ToldResult:
    """What is known of a return value that is not known itself: for people, never for programs."""

    task_id: str
    result_repr: str | None = None
    """The text of it that the worker's event tells."""
    unreadable: str | None = None
    """Why what the backend holds cannot be read; None where it holds nothing."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What a worker stored about a task."""

    task_id: str
    state: str
    """Celery's word: STARTED, SUCCESS, FAILURE, RETRY, REVOKED..."""
    result_json: str | None = None
    """The return value as JSON text; None unless SUCCESS, or where it was too large."""
    result_truncated: bool = False
    """Whether the return value was above 1 MiB, or nested too deep, and is left out."""
    exception_type: str | None = None
    exception_message: str | None = None
    traceback: str | None = None
    date_done: datetime | None = None
    retries: int | None = None
    worker: str | None = None
    queue: str | None = None
    name: str | None = None
    unreadable: str | None = None
    """Why what was stored cannot be read, to stand behind "The result"; then `state` may be empty."""
    result_repr: str | None = None
    """What the worker's event told of the return value, where it is not known otherwise."""

    @property
    def status(self) -> Status | None:
        """The end that it proves, if any."""
        end = END_OF_BACKEND_STATE.get(self.state)
        return end[0] if end else None

    @property
    def is_unread(self) -> bool:
        """Whether what is stored does not say whether it is an end: it proves no more than that the task ran."""
        return self.unreadable is not None and self.status is None

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
        """`ValueError: no such order`, for a failure; without a class where what was stored is no exception."""
        return error_of(self.exception_type, self.exception_message)


def error_of(exception_type: str | None, message: str | None) -> str | None:
    """Class and message as one text; what is not known is left out."""
    return f"{exception_type}: {message}" if exception_type else message
