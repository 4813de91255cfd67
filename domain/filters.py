"""Which tasks are wanted, and in which order: one grammar for every list of tasks.

The list, search, presets and the export all come down to a `TaskFilter`; `store/queries/tasks/filters.py` makes SQL of
it. How clients write it, with relative times and worker names, is in `api/schemas/filters.py`.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.search_text import Query
from domain.sight import EVERYTHING, Sight
from domain.states import Phase, Status

SORT_COLUMNS = {
    "created_at": "created_at",
    "started_at": "started_at",
    "completed_at": "completed_at",
    "priority": "priority",
    "status": "status",
    "task_name": "task_name",
    "queue_name": "queue_name",
    "duration": "duration_seconds",
}
"""What a client may sort by -> the column that holds it."""

EXACT_TOTAL = 10_000
"""How many matches are counted; of more than these a list only says that there are more."""

_AGO = re.compile(r"-([0-9]{1,4})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """All that is given must hold; None and empty mean no condition. `_after` includes its time, `_before` does not."""

    statuses: tuple[Status, ...] = ()
    phase: Phase | None = None
    task_id: str | None = None
    task_name: str | None = None
    queue_name: str | None = None
    priority: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    min_priority: int | None = None
    node: str | None = None
    worker_id: UUID | None = None
    workflow_id: UUID | None = None
    submitted_by: str | None = None
    is_replay: bool | None = None
    """Whether it was made by running another one again."""
    error: str | None = None
    """A part of the error, in any case of letters."""
    min_duration: float | None = None
    max_duration: float | None = None
    """The longest run in seconds; both ends are included."""
    started_after: datetime | None = None
    started_before: datetime | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None
    search: Query | None = None
    """Empty: text without a word, which nothing answers."""
    sight: Sight = EVERYTHING
    """The tasks that exist for whoever asks."""


@dataclass(frozen=True, slots=True)
class Sort:
    """`by` is a key of `SORT_COLUMNS`."""

    by: str = "created_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page sorted by `created_at`; the next page goes on behind it."""

    created_at: datetime
    row_id: str


def parse_ago(text: str) -> timedelta | None:
    """`-24h` -> 24 hours; s, m, h and d are known. None for any other text."""
    match = _AGO.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
