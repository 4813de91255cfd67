"""The critical path of a workflow: the slowest way through its steps to where it is, or to where it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.workflows.dag import longest_path
from domain.workflows.pauses import Pause
from domain.workflows.steps import ENDED, StepStatus


class LeadsTo(StrEnum):
    """What stands at the end of the path."""

    FAILURE = "failure"
    """The step that failed first, of a workflow of which nothing is on its way any more."""
    NOW = "now"
    """What runs; where nothing does, what waits for a worker, or what ended last."""
    END = "end"
    """The end of what ran, of a workflow that completed or was cancelled."""
    NOTHING_YET = "nothing_yet"
    """Nothing has run: it is the path with the most steps."""


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The positions of its steps, each followed by one that waits for it."""

    positions: Sequence[int]
    leads_to: LeadsTo


def critical_path(
    parents: Sequence[Sequence[int]],
    statuses: Sequence[StepStatus],
    *,
    seconds: Mapping[int, float],
    ended_at: Mapping[int, datetime],
) -> CriticalPath:
    """Return the path that took longest by the `seconds` of each step; no step on it comes after a failure. All of
    these are by position.
    """
    leads_to, ends = _ends(statuses, ended_at)
    return CriticalPath(longest_path(parents, seconds, ends=ends), leads_to)


@dataclass(frozen=True, slots=True)
class Idle:
    """How long a step did not run, from when it could have until it ended."""

    waited: float
    """Seconds for a worker, and for its last try."""
    paused: float
    """Seconds in which the workflow had ended, and nobody had retried it yet."""


def idle_times(
    parents: Sequence[Sequence[int]],
    *,
    seconds: Mapping[int, float],
    asked_at: Mapping[int, datetime],
    due_at: Mapping[int, datetime],
    ended_at: Mapping[int, datetime],
    pauses: Sequence[Pause] = (),
) -> dict[int, Idle]:
    """Return how long each step that became a task was idle, tries before its last included: of the time from when the
    last of its parents ended, or from when it was due, until it ended, what it did not run. One that has not ended ends
    now, in `ended_at` too. `due_at` is of those that were to run later.
    """
    idle = {}
    for position, asked in asked_at.items():
        if position in ended_at:
            ended = ended_at[position]
            ready = max((ended_at[parent] for parent in parents[position] if parent in ended_at), default=asked)
            ready = max(ready, due_at.get(position, ready))
            paused = sum(pause.seconds_between(ready, ended) for pause in pauses)
            waited = (ended - ready).total_seconds() - paused - seconds.get(position, 0.0)
            idle[position] = Idle(max(0.0, waited), paused)
    return idle


def _ends(statuses: Sequence[StepStatus], ended_at: Mapping[int, datetime]) -> tuple[LeadsTo, Sequence[int] | None]:
    ran = [position for position in range(len(statuses)) if statuses[position] in _RAN]
    running, pending, failed = (
        [position for position, status in enumerate(statuses) if status is wanted]
        for wanted in (StepStatus.RUNNING, StepStatus.PENDING, StepStatus.FAILED)
    )
    if running:
        return LeadsTo.NOW, running
    if not ran:
        return LeadsTo.NOTHING_YET, None
    if not ENDED.issuperset(statuses):
        return LeadsTo.NOW, pending or ran
    if failed:
        # Of one without a time nobody knows whether it was the first.
        timed = [position for position in failed if position in ended_at]
        return LeadsTo.FAILURE, [min(timed, key=ended_at.__getitem__)] if timed else failed
    return LeadsTo.END, ran


_RAN = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED})
