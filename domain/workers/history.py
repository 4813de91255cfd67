"""What has become of a worker, newest first: what people asked of it, and what was heard of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

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
    VANISHED = "vanished"
    """A process had ended without a goodbye when the next one of its name began."""
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
    """What was heard of a worker: the latest of each thing, and earlier lives of its name."""

    online: bool
    online_at: datetime | None
    goodbye_at: datetime | None
    last_sign_at: datetime | None
    drained_at: datetime | None
    taken_on: Mapping[str, datetime] = field(default_factory=dict)
    """When it was told to consume queues that nobody consumed."""
    starts: Collection[datetime] = ()
    goodbyes: Collection[datetime] = ()
    """When the last processes of its name began, and when they said goodbye."""


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
    starts = sorted({*heard.starts, *_known(heard.online_at)})
    goodbyes = {*heard.goodbyes, *_known(heard.goodbye_at)}
    for began_at, next_at in reversed(list(pairwise(starts))):
        yield HistoryEntry(next_at, WorkerEvent.ONLINE)
        if not any(began_at <= at <= next_at for at in goodbyes):
            yield HistoryEntry(next_at, WorkerEvent.VANISHED)
    if starts:
        yield HistoryEntry(starts[0], WorkerEvent.ONLINE)
    for queue_name, at in heard.taken_on.items():
        yield HistoryEntry(at, WorkerEvent.QUEUE_TAKEN_ON, queue_name=queue_name)
    has_left = heard.goodbye_at is not None and (heard.online_at is None or heard.goodbye_at >= heard.online_at)
    if not heard.online and not has_left:
        goodbyes |= {*_known(heard.last_sign_at)}
    for at in goodbyes:
        yield HistoryEntry(at, WorkerEvent.OFFLINE)
    if heard.drained_at is not None:
        drained_at = heard.drained_at
        left = [at for at in goodbyes if any(asked_at <= at <= drained_at for asked_at in drains)]
        yield HistoryEntry(max(left, default=drained_at), WorkerEvent.DRAINED)


def _known(at: datetime | None) -> tuple[datetime, ...]:
    return () if at is None else (at,)
