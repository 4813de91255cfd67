"""What `/task-names` tells: who knows a task, and how those of its name have fared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.queue_figures import RATE_WINDOW
from domain.rollups import MAX_NAME
from domain.sight import Limits, Sight
from domain.slowdowns import LOOKED_AT, NO_RUNS, TwoHours
from domain.trends import DECIMALS, NOTHING, Chosen, Interval, Sums, SumsAndDurations, Window
from domain.workers.status import KNOWN_WITHIN
from services.trends import EMPTY
from store.queries import for_task_names
from store.queries.for_task_names import KnownName
from store.queries.tasks.names import list_known_task_names
from store.queries.trends import (
    count_durations_by_interval,
    count_durations_by_task,
    count_runs_by_half,
    sum_by_name,
)

MAX_NAMES = 1_000
UNKNOWN = KnownName(online=0, acks_late=None, max_retries=None)


@dataclass(frozen=True, slots=True)
class NamedTasks:
    """The tasks of one name: who knows it, what was counted in the window, and lately."""

    task_name: str
    known: KnownName
    counted: SumsAndDurations
    ended_per_minute: float
    two_hours: TwoHours


async def list_named_tasks(
    connection: AsyncConnection, window: Window, *, sight: Sight, limit: int, offset: int
) -> tuple[int, list[NamedTasks]]:
    """Return how many names there are, of those that are seen, and one page of them: names that workers know, and
    the busiest of the window.
    """
    chosen = Chosen(limits=sight.limits)
    sums = await sum_by_name(connection, window, name="task_name", limit=MAX_NAMES, chosen=chosen)
    known = await list_known_task_names(connection, max_age=KNOWN_WITHIN, limit=MAX_NAMES)
    names = sorted({*filter(None, sums), *filter(sight.limits.may_name, known)})
    page = names[offset : offset + limit]
    return len(names), await _read(connection, page, window=window, sums=sums, chosen=chosen)


async def find_named_tasks(
    connection: AsyncConnection, task_name: str, *, window: Window, sight: Sight
) -> NamedTasks | None:
    """Return the figures of one name; None if there is none that is seen."""
    chosen = Chosen(task_name=task_name[:MAX_NAME], limits=sight.limits)
    sums = await sum_by_name(connection, window, name="task_name", limit=1, chosen=chosen)
    (found,) = await _read(connection, [task_name], window=window, sums=sums, chosen=chosen)
    if sums or await _may_be_named(connection, task_name, known=found.known, limits=sight.limits):
        return found
    return None


async def find_slower_since(
    connection: AsyncConnection, named: NamedTasks, *, now: datetime, sight: Sight
) -> datetime | None:
    """Return since when the tasks of the name take markedly longer; None if they do not."""
    if not named.two_hours.is_slower:
        return None
    window, chosen = Window.of_last(LOOKED_AT, now=now), Chosen(task_name=named.task_name, limits=sight.limits)
    durations = await count_durations_by_interval(connection, window, interval=Interval.MINUTELY, chosen=chosen)
    return named.two_hours.slower_since(durations)


async def _may_be_named(connection: AsyncConnection, task_name: str, *, known: KnownName, limits: Limits) -> bool:
    """Whether it is there, and may be spoken of by its name alone."""
    if not limits.may_name(task_name):
        return False
    return known is not UNKNOWN or await for_task_names.is_name_used(connection, task_name)


async def _read(
    connection: AsyncConnection, names: Sequence[str], *, window: Window, sums: Mapping[str, Sums], chosen: Chosen
) -> list[NamedTasks]:
    durations = await count_durations_by_task(connection, window, names=names, chosen=chosen)
    lately = Window.of_last(RATE_WINDOW, now=window.until)
    recent = await sum_by_name(connection, lately, name="task_name", limit=MAX_NAMES, chosen=chosen)
    two_hours = Window.of_last(LOOKED_AT, now=window.until)
    runs = await count_runs_by_half(connection, two_hours, names=names, chosen=chosen)
    known = await for_task_names.list_known(connection, names)
    return [
        NamedTasks(
            task_name=name,
            known=known.get(name, UNKNOWN),
            counted=SumsAndDurations(sums.get(name, NOTHING), durations.get(name, EMPTY)),
            ended_per_minute=_per_minute(recent.get(name, NOTHING), since=lately.since, until=lately.until),
            two_hours=TwoHours(last=runs.get((name, True), NO_RUNS), before=runs.get((name, False), NO_RUNS)),
        )
        for name in names
    ]


def _per_minute(sums: Sums, *, since: datetime, until: datetime) -> float:
    ended = sums.completed + sums.failed + sums.cancelled
    return round(ended * timedelta(minutes=1) / (until - since), DECIMALS)
