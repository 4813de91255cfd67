"""What has become of a worker, newest first: what people asked of it, and what was heard of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.audit import Action


class WorkerEvent(StrEnum):
    """What may have happened."""

    REGISTERED = "registered"
    PAUSE_ASKED = "pause_asked"
    RESUME_ASKED = "resume_asked"
    DRAIN_ASKED = "drain_asked"
    RESIZE_ASKED = "resize_asked"
    FORGOTTEN = "forgotten"
    ONLINE = "online"
    OFFLINE = "offline"
    DRAINED = "drained"
    QUEUE_TAKEN_ON = "queue_taken_on"
    """An order to consume a queue that nobody consumed, given by our loops."""


_ASKED = {
    Action.WORKER_REGISTER: WorkerEvent.REGISTERED,
    Action.WORKER_PAUSE: WorkerEvent.PAUSE_ASKED,
    Action.WORKER_RESUME: WorkerEvent.RESUME_ASKED,
    Action.WORKER_DRAIN: WorkerEvent.DRAIN_ASKED,
    Action.WORKER_RESIZE: WorkerEvent.RESIZE_ASKED,
    Action.WORKER_FORGET: WorkerEvent.FORGOTTEN,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked of a worker."""

    at: datetime
    action: str
    by: str
    reason: str | None = None
    capacity: int | None = None
    by_name: str | None = None
    """How he was called then; None where nobody has a name."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a worker: of each thing only the latest is known."""

    online: bool
    online_at: datetime | None
    goodbye_at: datetime | None
    last_sign_at: datetime | None
    drained_at: datetime | None
    taken_on: Mapping[str, datetime] = field(default_factory=dict)
    """When it was told to consume queues that nobody consumed."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a worker."""

    at: datetime
    event: WorkerEvent
    by: str | None = None
    reason: str | None = None
    capacity: int | None = None
    queue_name: str | None = None
    by_name: str | None = None


def history(requests: Iterable[Request], heard: Heard) -> list[HistoryEntry]:
    """Return all of it, newest first; a worker was drained when it left, however much later that was proven."""
    asked = [
        HistoryEntry(
            request.at,
            _ASKED[Action(request.action)],
            request.by,
            request.reason,
            request.capacity,
            by_name=request.by_name,
        )
        for request in requests
        if request.action in _ASKED
    ]
    drains = [entry.at for entry in asked if entry.event is WorkerEvent.DRAIN_ASKED]
    return sorted((*asked, *_heard(heard, drains)), key=lambda entry: entry.at, reverse=True)


def _heard(heard: Heard, drains: Sequence[datetime]) -> Iterator[HistoryEntry]:
    if heard.online_at is not None:
        yield HistoryEntry(heard.online_at, WorkerEvent.ONLINE)
    for queue_name, at in heard.taken_on.items():
        yield HistoryEntry(at, WorkerEvent.QUEUE_TAKEN_ON, queue_name=queue_name)
    left_at = heard.goodbye_at if heard.online else heard.goodbye_at or heard.last_sign_at
    if left_at is not None:
        yield HistoryEntry(left_at, WorkerEvent.OFFLINE)
    if heard.drained_at is not None:
        left_by_drain = left_at is not None and any(asked_at <= left_at <= heard.drained_at for asked_at in drains)
        yield HistoryEntry(left_at if left_at and left_by_drain else heard.drained_at, WorkerEvent.DRAINED)
