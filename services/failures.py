"""Failures in groups, with some tasks of each to look at."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rollups import error_class
from domain.sight import Sight
from domain.trends import Chosen, Interval, Window
from store.queries.failures import (
    SAMPLED,
    FailedTask,
    FailureGroup,
    RunsOnNode,
    list_failed_before,
    list_first_minutes,
    list_groups,
    list_newest_failed,
    list_runs_by_node,
)

MAX_GROUPS = 100
MAX_SAMPLES = 3
LONGEST_HOURLY = 48
"""How many hours at most have a series by the hour; longer windows have one by the day."""


NEW_AFTER = timedelta(days=7)
"""A group is new if none like it had failed for so long before."""


@dataclass(frozen=True, slots=True)
class GroupWithSamples:
    """A group of failures, and what the newest failed tasks tell of it."""

    group: FailureGroup
    newest: Sequence[FailedTask]
    """The tasks of the group among the newest that failed, the newest first."""
    is_new: bool
    first_failed_at: datetime | None = None
    """The minute in which the first failed, of one that is new."""
    runs: Sequence[RunsOnNode] = ()
    """The workers on which the newest tasks of its name ended, whatever became of them."""

    @property
    def samples(self) -> Sequence[FailedTask]:
        """Return some tasks to look at."""
        return self.newest[:MAX_SAMPLES]

    @property
    def latest_error(self) -> str | None:
        """Return the first line of what the newest says."""
        lines = (self.newest[0].error or "").strip().splitlines() if self.newest else []
        return lines[0] if lines else None

    @property
    def last_seen(self) -> datetime:
        """Return when the latest failed as far as it is known: to the hour or day, unless a sample tells."""
        told = [task.failed_at for task in self.samples if task.failed_at is not None]
        return max([*told, max(self.group.series)])

    @property
    def by_node(self) -> Counter[str]:
        """Return how many failed on each node, of the tasks that `runs` counts."""
        if not self.runs:
            return Counter()
        since = min(each.since for each in self.runs)
        return Counter(task.node for task in self.newest if task.node and task.created_at >= since)


def new_since(window: Window) -> datetime:
    """Return when what is called new began at the earliest: with the whole hour before this one, however long the
    window is.
    """
    return Interval.HOURLY.start_of(window.until) - timedelta(hours=1)


async def read_failures(
    connection: AsyncConnection, window: Window, *, interval: Interval, sight: Sight
) -> list[GroupWithSamples]:
    """Return the largest groups of the window, which begins with a whole bucket."""
    chosen, since = Chosen(limits=sight.limits), interval.start_of(window.since)
    groups = await list_groups(connection, since=since, interval=interval, chosen=chosen, limit=MAX_GROUPS)
    failed = await list_newest_failed(connection, since=since, sight=sight) if groups else []
    newest = _by_group(failed)
    # Older runs are not counted where older failures are not known either.
    known_since = failed[-1].created_at if len(failed) == SAMPLED else since
    names = {task.task_name for task in failed if task.task_name} & {group.task_name for group in groups}
    runs: dict[str | None, list[RunsOnNode]] = {}
    for each in await list_runs_by_node(connection, names, since=known_since, sight=sight):
        runs.setdefault(each.task_name, []).append(each)
    lately = Window(new_since(window), window.until)
    new = await _new_of(groups, connection, lately=lately, interval=interval, chosen=chosen)
    return [
        GroupWithSamples(
            group,
            newest.get(_key(group), ()),
            is_new=_key(group) in new,
            first_failed_at=new.get(_key(group)),
            runs=runs.get(group.task_name, ()),
        )
        for group in groups
    ]


async def _new_of(
    groups: Sequence[FailureGroup],
    connection: AsyncConnection,
    *,
    lately: Window,
    interval: Interval,
    chosen: Chosen,
) -> dict[tuple[str, str], datetime | None]:
    """Return those of which none had failed before, each with the minute in which the first did; asked is only of those
    of which the window does not tell it.
    """
    begun = lately.since
    since, this = Interval.DAILY.start_of(begun) - NEW_AFTER, interval.start_of(begun)
    recent = {
        _key(group)
        for group in groups
        if max(group.series) >= this and not any(since <= at < this for at in group.series)
    }
    if not recent:
        return {}
    names = {name for _, name in recent}
    new = recent - await list_failed_before(connection, begun, since=since, task_names=names, chosen=chosen)
    names = {name for _, name in new}
    first = await list_first_minutes(connection, lately, task_names=names, chosen=chosen) if new else {}
    return {key: first.get(key) for key in new}


def _key(group: FailureGroup) -> tuple[str, str]:
    return group.error, group.task_name


def _by_group(failed: Sequence[FailedTask]) -> Mapping[tuple[str, str], list[FailedTask]]:
    found: defaultdict[tuple[str, str], list[FailedTask]] = defaultdict(list)
    for task in failed:
        found[error_class(task.error), task.task_name or ""].append(task)
    return found
