"""Failures in groups, with some tasks of each to look at."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import error_class
from domain.sight import Sight
from domain.trends import Chosen, Interval, Window
from store.queries.failures import FailedTask, FailureGroup, list_groups, list_newest_failed

MAX_GROUPS = 100
MAX_SAMPLES = 3
LONGEST_HOURLY = 48
"""How many hours at most have a series by the hour; longer windows have one by the day."""


@dataclass(frozen=True, slots=True)
class GroupWithSamples:
    """A group of failures, and tasks of it, the newest first."""

    group: FailureGroup
    samples: Sequence[FailedTask]

    @property
    def last_seen(self) -> datetime:
        """Return when the latest failed as far as it is known: to the hour or day, unless a sample tells."""
        told = [task.failed_at for task in self.samples if task.failed_at is not None]
        return max([*told, max(self.group.series)])


async def read_failures(
    connection: AsyncConnection, window: Window, *, interval: Interval, sight: Sight
) -> list[GroupWithSamples]:
    """Return the largest groups of the window, which begins with a whole bucket."""
    chosen, since = Chosen(limits=sight.limits), interval.start_of(window.since)
    groups = await list_groups(connection, since=since, interval=interval, chosen=chosen, limit=MAX_GROUPS)
    samples = _by_group(await list_newest_failed(connection, since=since, sight=sight) if groups else [])
    return [GroupWithSamples(group, samples.get((group.error, group.task_name), ())) for group in groups]


def _by_group(failed: Sequence[FailedTask]) -> Mapping[tuple[str, str], list[FailedTask]]:
    found: defaultdict[tuple[str, str], list[FailedTask]] = defaultdict(list)
    for task in failed:
        samples = found[error_class(task.error), task.task_name or ""]
        if len(samples) < MAX_SAMPLES:
            samples.append(task)
    return found
