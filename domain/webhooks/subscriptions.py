"""Which changes a webhook is told of: types of events, and the fields of a search that the feed's rows carry.

`MATCHED` names these fields. They mean what they mean in `domain/filters.py`; a change that does not carry one that is
asked for is not told.
"""

from dataclasses import dataclass, field

from domain.feed import Told
from domain.filters import TaskFilter
from domain.sight import fits_patterns

MAX_TYPES = 50
MATCHED = ("status", "task_id", "task_name", "queue_name", "error", "min_duration", "max_duration")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a webhook wants: one of these types, and of the filter all that is given."""

    types: tuple[str, ...]
    """Names of types, or beginnings of names: `task.*`."""
    filter: TaskFilter = field(default_factory=TaskFilter)

    def matches(self, change: Told) -> bool:
        """Tell whether this change is one of them."""
        return fits_patterns(change.type, self.types) and _is_found(change, self.filter)


def _is_found(change: Told, wanted: TaskFilter) -> bool:
    if wanted.statuses and change.status not in wanted.statuses:
        return False
    task_id = change.subject_id if change.subject_kind == "task" else None
    equal = (
        (wanted.task_id, task_id),
        (wanted.task_name, change.task_name),
        (wanted.queue_name, change.queue_name),
    )
    if any(value is not None and value != found for value, found in equal):
        return False
    if wanted.error is not None and wanted.error.lower() not in str(change.data.get("exception", "")).lower():
        return False
    return _is_within(change.data.get("duration_seconds"), wanted)


def _is_within(seconds: object, wanted: TaskFilter) -> bool:
    if wanted.min_duration is None and wanted.max_duration is None:
        return True
    if not isinstance(seconds, int | float):
        return False
    is_long = wanted.min_duration is None or seconds >= wanted.min_duration
    return is_long and (wanted.max_duration is None or seconds <= wanted.max_duration)
