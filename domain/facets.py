"""What stands beside a list of tasks: the axis of its histogram, and names that a few letters may mean."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from domain.filters import TaskFilter
from domain.trends import MAX_HOURS, MAX_HOURS_BY_MINUTE, NOTHING, Sums

_MINUTES = (1, 2, 5, 10, 15, 30)
_HOURS = (1, 2, 3, 6, 12, 24, 48, 168)
STEPS = (*(timedelta(minutes=n) for n in _MINUTES), *(timedelta(hours=n) for n in _HOURS))
"""How long a bucket may be; what is longer than the last is a multiple of it."""
DEFAULT_LENGTH = timedelta(hours=24)
MAX_LENGTH = timedelta(hours=MAX_HOURS)
LONGEST_BY_MINUTE = timedelta(hours=MAX_HOURS_BY_MINUTE)
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = _EPOCH + MAX_LENGTH


def span_of(filters: TaskFilter, *, now: datetime) -> tuple[datetime, datetime]:
    """Return the times between which a filter looks: of 24 hours where it has no beginning, and of 90 days at most.

    It ends in 1970 at the earliest: before the first years that there are, nothing can be reckoned.
    """
    until = max(min(filters.created_before or now, now), _EARLIEST)
    since = max(filters.created_after or until - DEFAULT_LENGTH, until - MAX_LENGTH)
    return min(since, until), until


def step_of(length: timedelta, *, buckets: int) -> timedelta:
    """Return the shortest step with which so many buckets cover this time. By the minute only a day is looked at."""
    steps = STEPS if length <= LONGEST_BY_MINUTE else tuple(step for step in STEPS if step >= _HOUR)
    fits = (step for step in steps if length <= step * buckets)
    return next(fits, STEPS[-1] * -(-length // (STEPS[-1] * buckets)))


def start_of(at: datetime, *, step: timedelta) -> datetime:
    """Return the start of the bucket that this time lies in; buckets count from the epoch, so that they stay put."""
    return _EPOCH + (at - _EPOCH) // step * step


def sum_by_step(
    sums: Mapping[datetime, Sums], *, since: datetime, until: datetime, step: timedelta
) -> dict[datetime, Sums]:
    """Return the sums of every bucket between these times, also of those in which nothing happened, oldest first."""
    first = start_of(since, step=step)
    found = {first + nth * step: NOTHING for nth in range(max(1, -((first - until) // step)))}
    for at, counted in sums.items():
        bucket = start_of(at, step=step)
        if bucket in found:
            found[bucket] += counted
    return found


COUNTED_BY_NAME = frozenset({"task_name", "queue_name", "created_after", "created_before", "sight"})
"""The conditions of a filter that the roll-ups can tell apart."""


def is_counted(filters: TaskFilter) -> bool:
    """Whether the roll-ups know how many tasks such a filter finds: they are counted by name, by queue and in time."""
    nothing = TaskFilter()
    names = (name for name in TaskFilter.__dataclass_fields__ if name not in COUNTED_BY_NAME)
    return all(getattr(filters, name) == getattr(nothing, name) for name in names)


def rank(names: Iterable[str], prefix: str, *, limit: int) -> list[str]:
    """Return the names that begin with these letters, then those that contain them, whatever their case; each in the
    order given.
    """
    wanted = prefix.casefold()
    found = [name for name in dict.fromkeys(names) if wanted in name.casefold()]
    return sorted(found, key=lambda name: not name.casefold().startswith(wanted))[:limit]
