"""Two executions compared: their submissions, their ends, their times and their timelines."""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.comparisons import Difference, Op, differences, is_same, is_same_json
from domain.redaction.rules import COMMON, Branch, Redaction
from domain.redaction.values import value_at
from domain.sight import EVERYTHING, Sight
from domain.submissions import wait_until_start
from services.timeline import TaskHistory, read_whole_history
from store.queries.tasks.documents import WholeTask

WholeHistory = TaskHistory[WholeTask]
MAX_DIFFERENCES = 1_000
"""How many differences of the arguments are shown; two lists of a million numbers may differ in every one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tasks, and what is alike in them; None is what is not known of one of them."""

    one: WholeHistory
    other: WholeHistory
    same_function: bool | None
    same_args: bool | None
    same_kwargs: bool | None
    same_priority: bool | None
    same_queue: bool | None
    same_status: bool
    same_worker: bool | None
    arguments: list[Difference] | None
    arguments_truncated: bool

    @property
    def waits(self) -> tuple[float | None, float | None]:
        """Return for how many seconds each was due before it started; None where that is not known."""
        return _waited(self.one), _waited(self.other)

    @property
    def difference_seconds(self) -> float | None:
        """Return how much longer the second ran; negative if the first ran longer, None where that is not known."""
        one, other = (history.task.duration_seconds for history in (self.one, self.other))
        return None if one is None or other is None else other - one


async def read_both(
    connection: AsyncConnection, task_id: str, *, other_id: str, sight: Sight = EVERYTHING
) -> tuple[WholeHistory, WholeHistory]:
    """Return both tasks with their timelines; raises TaskNotFound if either is unknown or not seen."""
    one = await read_whole_history(connection, task_id, sight=sight)
    return one, await read_whole_history(connection, other_id, sight=sight)


def compare(one: WholeHistory, other: WholeHistory, *, redaction: Redaction = COMMON) -> Comparison:
    """Return what is alike and what differs. Takes up to a second where arguments are large, and so is for a thread.

    That hidden values differ is told, and where; what they are is not.
    """
    arguments = _differing_arguments(one, other, redaction=redaction)
    return Comparison(
        one=one,
        other=other,
        same_function=_same("task_name", one, other=other),
        same_args=_same_json("args", one, other=other),
        same_kwargs=_same_json("kwargs", one, other=other),
        same_priority=_same("priority", one, other=other),
        same_queue=_same("queue_name", one, other=other),
        same_status=one.task.status == other.task.status,
        same_worker=_same("node", one, other=other),
        arguments=None if arguments is None else arguments[:MAX_DIFFERENCES],
        arguments_truncated=arguments is not None and len(arguments) > MAX_DIFFERENCES,
    )


def _same(column: str, one: WholeHistory, *, other: WholeHistory) -> bool | None:
    return is_same(getattr(one.task, column), getattr(other.task, column))


def _same_json(column: str, one: WholeHistory, *, other: WholeHistory) -> bool | None:
    ours, theirs = getattr(one.task, column), getattr(other.task, column)
    return None if ours is None or theirs is None else is_same_json(ours, theirs)


def _differing_arguments(one: WholeHistory, other: WholeHistory, *, redaction: Redaction) -> list[Difference] | None:
    """One more than is shown, if there are so many."""
    ours, theirs = ({"task_args": h.task.args, "task_kwargs": h.task.kwargs} for h in (one, other))
    if None in (*ours.values(), *theirs.values()):
        return None
    found = list(islice(differences(ours, theirs), MAX_DIFFERENCES + 1))
    if not found:
        return []
    shown = [_shown(history, redaction) for history in (one, other)]
    return [_masked(difference, ours=shown[0], theirs=shown[1]) for difference in found]


def _shown(history: WholeHistory, redaction: Redaction) -> dict[str, Any]:
    task = history.task
    return {
        "task_args": redaction.mask(task.args, Branch.ARGS, task_name=task.task_name),
        "task_kwargs": redaction.mask(task.kwargs, Branch.KWARGS, task_name=task.task_name),
    }


def _masked(difference: Difference, *, ours: Any, theirs: Any) -> Difference:
    """Return the difference with what may be shown at its place; an operation has no value where there was none."""
    has_value, had_value = difference.op is not Op.REMOVE, difference.op is not Op.ADD
    return replace(
        difference,
        value=value_at(theirs, difference.path) if has_value else None,
        old_value=value_at(ours, difference.path) if had_value else None,
    )


def _waited(history: WholeHistory) -> float | None:
    task = history.task
    if task.first_started_at is None:
        return None
    waited = wait_until_start(task.first_started_at, created_at=task.created_at, scheduled_at=task.scheduled_at)
    return waited.total_seconds()
