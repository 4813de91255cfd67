"""Facts of one task for tests: what workers, we ourselves and the result backend tell, in seconds from noon."""

from datetime import UTC, datetime, timedelta

from domain.facts import BACKEND, Detail, Fact, worker_event_key
from domain.states import EventType

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK_ID = "0195536c-0000-7000-8000-000000000001"
NODE = "celery@one"


def after(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def told(
    event_type: EventType,
    clock: int,
    *,
    at: float | None = None,
    node: str = NODE,
    pid: int = 1,
    retries: int | None = None,
    task_id: str = TASK_ID,
    **details: Detail,
) -> Fact:
    """A worker's event; it happens `clock` seconds after noon unless told otherwise."""
    at = clock if at is None else at
    key = worker_event_key(event_type, node, pid=pid, clock=clock)
    return Fact(task_id, event_type, after(at), key, node, pid, clock, retries, details)


def ours(event_type: EventType, *, at: float = 0, task_id: str = TASK_ID, **details: Detail) -> Fact:
    """A fact of our own: submitted, dispatched, cancel_requested..."""
    number = details.get("dispatch_no")
    key = event_type.value if number is None else f"{event_type}:{number}"
    return Fact(task_id, event_type, after(at), key, details=details)


def from_backend(
    event_type: EventType,
    *,
    at: float,
    retries: int | None = 0,
    node: str | None = None,
    task_id: str = TASK_ID,
    **details: Detail,
) -> Fact:
    """An end that the result backend tells."""
    key = f"backend:{event_type}:{retries or 0}"
    return Fact(task_id, event_type, after(at), key, node, retries=retries, details={"source": BACKEND} | details)
