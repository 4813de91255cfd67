"""How a workflow goes on: the words for its states, and the rules by which steps become free, are skipped, and end it.

Pure, and without a view of the whole: each rule looks at the steps that have just ended and at those right behind them,
so that following a workflow to its end costs as much as it has steps and dependencies, and no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.states import Status


class StepStatus(StrEnum):
    """The statuses of tasks, and two for steps that have no task."""

    WAITING = "WAITING"
    """The step waits for other steps, or for a result of one."""
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    """Never started: something before it did not complete, or the workflow was stopped."""


IN_FLIGHT = frozenset({StepStatus.PENDING, StepStatus.RUNNING})
"""Handed over as a task, and not at its end."""
ENDED = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.SKIPPED})

WorkflowStatus = Status
"""A workflow's status is one of a task's."""


class OnFailure(StrEnum):
    """What becomes of the rest when a step does not complete."""

    STOP = "stop"
    """Nothing new starts."""
    CONTINUE = "continue"
    """Steps that do not need it go on."""


@dataclass(frozen=True, slots=True)
class EndedStep:
    """A step whose end has not been taken into account yet."""

    position: int
    status: StepStatus
    children: Sequence[int]
    """Positions of the steps that wait for it."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What the ends of some steps mean for the steps behind them."""

    waiting_for: Mapping[int, int]
    """How many steps each one still waits for, by position. At 0 it may start."""
    skipped: frozenset[int]


def settle(ended: Iterable[EndedStep], waiting: Mapping[int, int]) -> Moves:
    """Who moves when these have ended. `waiting`: their children that wait, and for how many steps each does.

    A skipped step is an end like another: settle it next, and what is behind it is skipped in its turn.
    """
    left: dict[int, int] = {}
    skipped: set[int] = set()
    for step in ended:
        for child in step.children:
            if child not in waiting:
                continue
            if step.status is StepStatus.COMPLETED:
                left[child] = left.get(child, waiting[child]) - 1
            else:
                skipped.add(child)
    return Moves({child: count for child, count in left.items() if child not in skipped}, frozenset(skipped))


def stops(ended: Iterable[EndedStep], on_failure: OnFailure) -> bool:
    """Whether these ends stop the whole workflow."""
    return on_failure is OnFailure.STOP and any(step.status is not StepStatus.COMPLETED for step in ended)


def outcome(statuses: Collection[StepStatus], *, cancel_requested: bool) -> WorkflowStatus:
    """The status of a workflow whose steps have these statuses and have all ended.

    A cancel that came too late to stop anything changes nothing.
    """
    if set(statuses) <= {StepStatus.COMPLETED}:
        return WorkflowStatus.COMPLETED
    return WorkflowStatus.CANCELLED if cancel_requested else WorkflowStatus.FAILED


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a retry does to the steps of a workflow that has ended without completing."""

    waiting_for: Mapping[int, int]
    """The steps that wait again, by position, and for how many others each does. All others keep what they have."""
    renewed: frozenset[int]
    """The steps among them that had a task: they need another."""


def resume(statuses: Sequence[StepStatus], parents: Sequence[Sequence[int]]) -> Resumption:
    """Every step that has not completed, by position, waits again for those of its parents that have not."""
    again = [position for position, status in enumerate(statuses) if status is not StepStatus.COMPLETED]
    return Resumption(
        waiting_for={
            position: sum(statuses[parent] is not StepStatus.COMPLETED for parent in parents[position])
            for position in again
        },
        renewed=frozenset(position for position in again if statuses[position] is not StepStatus.SKIPPED),
    )
