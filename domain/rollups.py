"""What the roll-ups count of a task, and how the counts change when the task does.

What a task adds to the roll-ups is a function of its row alone. So a change of the row is counted as the old
entries taken back and the new ones added, and however its facts arrive, the sums say what the rows say.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from domain.histograms import bucket_of
from domain.states import Status
from domain.submissions import wait_until_start

SLOT_SECONDS = 10
"""Entries are dated to this: fine enough for the rates of workers; the rest is summed up by the minute."""
UNKNOWN_ERROR = "Unknown"

# Together they fit into one index entry (2,704 bytes), whatever characters they are made of.
MAX_NAME = 255
MAX_ERROR = 100

_CLASS = re.compile(r"(?:[^\W\d]\w*\.)*([^\W\d]\w*)(?=\(|:|$)")
_MICROSECOND = timedelta(microseconds=1)


class Measure(StrEnum):
    """What is counted."""

    SUBMITTED = "submitted"
    STARTED = "started"
    """First starts; the time is the wait from due to start."""
    COMPLETED = "completed"
    """An end, as are the two below; the time is the duration of the run that decided it."""
    FAILED = "failed"
    CANCELLED = "cancelled"


MEASURE_OF_STATUS: dict[str, Measure] = {
    Status.COMPLETED: Measure.COMPLETED,
    Status.FAILED: Measure.FAILED,
    Status.CANCELLED: Measure.CANCELLED,
}
ENDS = tuple(MEASURE_OF_STATUS.values())


@dataclass(frozen=True, slots=True)
class TaskCourse:
    """The facts of a task's row that the roll-ups count."""

    task_name: str | None
    queue_name: str | None
    status: str
    node: str | None
    created_at: datetime
    scheduled_at: datetime | None
    first_started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    error: str | None


class CountKey(NamedTuple):
    """What is counted as one and the same; `""` stands for what is unknown."""

    starts_at: datetime
    """Start of the slot."""
    task_name: str
    queue_name: str
    measure: Measure
    error: str
    """The exception's class, of a failure."""
    node: str
    """Who ended it, of an end."""
    bucket: int | None
    """The bucket of the time in a histogram; None without a time."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A change of an entry's sums."""

    entry: CountKey
    count: int
    microseconds: int


def deltas(changes: Iterable[tuple[TaskCourse | None, TaskCourse]]) -> list[Delta]:
    """What changes when tasks go from the first course to the second; None is a task that was not there before."""
    sums: defaultdict[CountKey, list[int]] = defaultdict(lambda: [0, 0])
    for before, after in changes:
        for read, count in _PARTS:
            if before is None:
                _add(sums, count(after), sign=1)
            elif read(before) != read(after):
                _add(sums, count(before), sign=-1)
                _add(sums, count(after), sign=1)
    return [Delta(entry, count, time) for entry, (count, time) in sums.items() if count or time]


def error_class(error: str | None) -> str:
    """`ValueError` of `ValueError: no such order` and of `ValueError('no such order')`."""
    match = _CLASS.match(error or "")
    return match[1][:MAX_ERROR] if match else UNKNOWN_ERROR


def _add(sums: defaultdict[CountKey, list[int]], counted: tuple[CountKey, int] | None, *, sign: int) -> None:
    if counted is not None:
        entry, microseconds = counted
        sums[entry][0] += sign
        sums[entry][1] += sign * microseconds


def _submitted(course: TaskCourse) -> tuple[CountKey, int]:
    return CountKey(_slot(course.created_at), *_names(course), Measure.SUBMITTED, "", "", None), 0


def _started(course: TaskCourse) -> tuple[CountKey, int] | None:
    if course.first_started_at is None:
        return None
    waited = wait_until_start(course.first_started_at, created_at=course.created_at, scheduled_at=course.scheduled_at)
    wait = waited // _MICROSECOND
    return CountKey(_slot(course.first_started_at), *_names(course), Measure.STARTED, "", "", bucket_of(wait)), wait


def _ended(course: TaskCourse) -> tuple[CountKey, int] | None:
    measure = MEASURE_OF_STATUS.get(course.status)
    if measure is None or course.completed_at is None:
        return None
    error = error_class(course.error) if measure is Measure.FAILED else ""
    node = (course.node or "")[:MAX_NAME]
    duration = round((course.duration_seconds or 0.0) * 1e6)
    bucket = None if course.duration_seconds is None else bucket_of(duration)
    return CountKey(_slot(course.completed_at), *_names(course), measure, error, node, bucket), duration


# What each entry is computed from: most events change none of it, and comparing is far cheaper than counting.
_PARTS: tuple[tuple[Callable[[TaskCourse], object], Callable[[TaskCourse], tuple[CountKey, int] | None]], ...] = (
    (attrgetter("task_name", "queue_name", "created_at"), _submitted),
    (attrgetter("task_name", "queue_name", "created_at", "scheduled_at", "first_started_at"), _started),
    (
        attrgetter("task_name", "queue_name", "status", "node", "completed_at", "duration_seconds", "error"),
        _ended,
    ),
)


def _names(course: TaskCourse) -> tuple[str, str]:
    return (course.task_name or "")[:MAX_NAME], (course.queue_name or "")[:MAX_NAME]


def _slot(at: datetime) -> datetime:
    return at.replace(second=at.second - at.second % SLOT_SECONDS, microsecond=0)
