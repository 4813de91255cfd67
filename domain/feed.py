"""The feed: what changed, as it is told to whoever asks; its types, its places, and who sees what of it.

A row tells one committed change of one thing. It is thin: whoever wants arguments or results asks for the task.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.sight import Sight, fits_patterns
from domain.states import TERMINAL, Phase, Status

MAX_ERROR = 500
"""Characters of an error in a change: written as JSON, it stays within 4 KiB whatever it consists of."""
MAX_NUMBER = 2**63 - 1
MAX_PLACE = 64
"""Characters of a cursor."""
MAX_SUBJECT = 255
"""Characters of what an event of somebody's own happened to."""
MAX_OWN_DATA = 2_500
"""Bytes of its data: with the subject it stays within 4 KiB."""
MAX_TYPE = 100
"""Characters of the type of an event of somebody's own."""
OUR_KINDS = frozenset(
    (
        *("alert", "audit", "celeriac", "error", "expectation", "operation"),
        *("queue", "schedule", "task", "webhook", "worker", "workflow"),
    )
)
"""How no event of somebody's own may begin, now and later."""
SUBJECT_FIELDS = {
    "task": "task_id",
    "workflow": "workflow_id",
    "worker": "worker_id",
    "alert": "alert_id",
    "webhook": "webhook_id",
}
"""The name under which the id of what changed is told, by the kind of thing."""
_NAMES = ("task_name", "queue_name", "status", "previous", "sequence")
_OWN_TYPE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_OWN_TYPES = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\*?|[A-Za-z0-9_-]+\.(?:[A-Za-z0-9_-]+\.)*\*")
_PLACE = re.compile(r"([0-9a-f]{12})\.([0-9]{1,19})\.([0-9]{1,19})")


class ChangeType(StrEnum):
    """What a change is: the kind of thing that changed, and what became of it."""

    TASK_STARTED = "task.started"
    TASK_RETRYING = "task.retrying"
    TASK_REQUEUED = "task.requeued"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
    TASK_CANCELLED = "task.cancelled"
    WORKFLOW_COMPLETED = "workflow.completed"
    WORKFLOW_FAILED = "workflow.failed"
    WORKFLOW_CANCELLED = "workflow.cancelled"
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    WORKER_ONLINE = "worker.online"
    WORKER_OFFLINE = "worker.offline"
    WORKER_DRAINED = "worker.drained"
    WEBHOOK_DISABLED = "webhook.disabled"


_OF_STATUS = {
    Status.RUNNING: ChangeType.TASK_STARTED,
    Status.COMPLETED: ChangeType.TASK_COMPLETED,
    Status.FAILED: ChangeType.TASK_FAILED,
    Status.CANCELLED: ChangeType.TASK_CANCELLED,
}


def type_of_task_change(status: Status, phase: Phase) -> ChangeType:
    """Return what it is called that a task has come to this status: back to PENDING it comes to be tried again."""
    if status in _OF_STATUS:
        return _OF_STATUS[status]
    return ChangeType.TASK_RETRYING if phase is Phase.RETRYING else ChangeType.TASK_REQUEUED


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, before it has a place in the feed."""

    type: ChangeType | str
    """One of ours, or the name that somebody gave to an event of his own."""
    subject_id: str
    status: str | None = None
    previous: str | None = None
    task_name: str | None = None
    queue_name: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    sequence: int | None = None
    """The number that this change is of its subject, counted from 1."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the order of commits; it lies behind the change that has the same numbers."""

    xact: int
    change_id: int


@dataclass(frozen=True, slots=True)
class Told:
    """A change in its place."""

    place: Place
    at: datetime
    type: str
    subject_id: str
    task_name: str | None
    queue_name: str | None
    status: str | None
    previous: str | None
    data: Mapping[str, Any]
    sequence: int | None = None
    """The number of `Change`; None where it was told before changes were counted."""

    @property
    def subject_kind(self) -> str:
        """The kind of thing that changed, e.g. `task`."""
        return self.type.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes somebody wants: all that is given must hold, empty means no condition."""

    types: tuple[str, ...] = ()
    """Names of types, or beginnings of names: `task.*`."""
    task_name: str | None = None
    queue_name: str | None = None
    status: str | None = None

    def matches(self, change: Told) -> bool:
        """Whether this is one of them."""
        if not fits_patterns(change.type, self.types):
            return False
        equal = (
            (self.task_name, change.task_name),
            (self.queue_name, change.queue_name),
            (self.status, change.status),
        )
        return all(wanted is None or wanted == value for wanted, value in equal)


def is_seen(change: Told, sight: Sight) -> bool:
    """Whether this is told to him: who sees not all sees tasks within his limits, by what the change says of them."""
    if not sight.is_bounded:
        return True
    return (
        sight.submitted_by is None
        and change.subject_kind == "task"
        and sight.limits.allows(change.queue_name, change.task_name)
    )


def write_cursor(epoch: str, place: Place) -> str:
    """Return the cursor of a place in the feed that has this epoch."""
    return f"{epoch}.{place.xact}.{place.change_id}"


def read_cursor(text: str) -> tuple[str, Place]:
    """Return epoch and place; raises ValueError for what `write_cursor` never wrote."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError("is no cursor of the feed")
    xact, change_id = int(found[2]), int(found[3])
    if max(xact, change_id) > MAX_NUMBER:
        raise ValueError("is no cursor of the feed")
    return found[1], Place(xact, change_id)


def flaw_of_type(pattern: str) -> str | None:
    """Return what is wrong with a wanted type; None for one of ours, one of somebody's own, or a beginning of some."""
    known = [each.value for each in ChangeType]
    if pattern in known:
        return None
    beginning = pattern.removesuffix("*")
    if beginning != pattern and any(name.startswith(beginning) for name in known):
        return None
    if len(pattern) <= MAX_TYPE and _OWN_TYPES.fullmatch(pattern) and not begins_as_ours(pattern):
        return None
    return f"is none of {', '.join(known)}, nor the beginning of one with a * behind it, nor a dotted name of your own"


def flaw_of_own_type(name: str) -> str | None:
    """Return what is wrong with a name for an event of somebody's own; None if it is one."""
    if len(name) > MAX_TYPE or not _OWN_TYPE.fullmatch(name):
        return f"must be words with dots between them, such as shop.order.paid, of {MAX_TYPE} characters at most"
    if begins_as_ours(name):
        return f"begins as one of ours does: {', '.join(sorted(OUR_KINDS))}"
    return None


def begins_as_ours(name: str) -> bool:
    """Tell whether a type, or the beginning of one, is of those that we name, now or later."""
    return name.partition(".")[0].removesuffix("*") in OUR_KINDS


def told_data(change: Told) -> dict[str, Any]:
    """Return what is told of a change: the id of what changed, names and statuses, and what its type tells beside."""
    data = {SUBJECT_FIELDS[change.subject_kind]: change.subject_id} if change.subject_kind in SUBJECT_FIELDS else {}
    data |= {name: value for name in _NAMES if (value := getattr(change, name)) is not None}
    return data | dict(change.data)


def task_data(*, attempt: int, error: str | None, duration_seconds: float | None, status: Status) -> dict[str, Any]:
    """Return what a change says of a task beside its names and status; of its end only where it has ended."""
    data: dict[str, Any] = {"attempt": attempt}
    if status in TERMINAL and duration_seconds is not None:
        data["duration_seconds"] = duration_seconds
    if error:
        data["exception"] = error[:MAX_ERROR]
    return data
