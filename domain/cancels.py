"""The wish that a task be cancelled, and what it can hope for in words, as the answers to a cancel say it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from domain.consumers import POOLS_WITH_TERMINATION
from domain.facts import Fact
from domain.states import EventType, Phase, Status
from domain.workflows.steps import WorkflowStatus

DONE = "Task cancelled successfully"
_UNREACHED = "The broker cannot be reached; the cancel is stored and will be sent when it is back."
_UNSTARTED = {
    Phase.QUEUED: "The task waits in a queue that workers without Celeriac's plugin may read. Those that are connected "
    "were told to refuse it; one that starts later is told too, but could take the task first.",
    Phase.RESERVED: "A worker has fetched the task and was told to refuse it; it confirms that when its turn comes.",
    Phase.RETRYING: "The task waits for its next try; workers were told to refuse it and confirm that when it is due.",
}
_UNREAD = (
    "No worker is known to read the task's queue, so nobody can confirm the cancel. It is recorded and held: a worker "
    "that starts there is told to refuse the task, though one without Celeriac's plugin could take it first."
)
_ON_THE_WAY = "The task is being handed to the broker; workers were told to refuse it."
_RUNNING = "The worker was told to stop the task and has not confirmed it yet; SIGKILL stops one that ignores SIGTERM."


class StopSignal(StrEnum):
    """What ends a running task."""

    SIGTERM = "SIGTERM"
    SIGKILL = "SIGKILL"


def wish(task_id: str, at: datetime, *, signal: StopSignal = StopSignal.SIGTERM, story: int = 0) -> Fact:
    """The fact that somebody wants the task cancelled. Asking twice is one fact, asking for SIGKILL one of its own.

    `story`: which use of the id is meant, where others use it again.
    """
    kind = EventType.CANCEL_REQUESTED
    key = kind.value if signal is StopSignal.SIGTERM else f"{kind}:{signal}"
    key = f"{key}:{story}" if story else key
    return Fact(task_id, kind, at, key, details={"signal": signal.value})


def strongest_signal(facts: Iterable[Fact]) -> StopSignal | None:
    """What the wishes among these facts ask for, SIGKILL if any of them does; None without a wish."""
    wishes = [fact for fact in facts if fact.type is EventType.CANCEL_REQUESTED]
    if any(fact.details.get("signal") == StopSignal.SIGKILL for fact in wishes):
        return StopSignal.SIGKILL
    return StopSignal.SIGTERM if wishes else None


def can_stop(pool: str | None) -> bool:
    """Whether a pool can end a task that runs; one that nobody has described yet may."""
    return pool is None or pool in POOLS_WITH_TERMINATION


def explain(status: Status, phase: Phase, *, workers_told: bool, pool: str | None, is_read: bool = True) -> str:
    """Why it is certain, or why it is not certain yet. `is_read`: whether a worker of its queue is online."""
    if status is Status.CANCELLED:
        return DONE
    if not workers_told:
        return _UNREACHED
    if phase is Phase.QUEUED and not is_read:
        return _UNREAD
    if status is Status.RUNNING and not can_stop(pool):
        return f"A {pool} pool cannot stop a task that runs; no retry of it will start."
    return _RUNNING if status is Status.RUNNING else _UNSTARTED.get(phase, _ON_THE_WAY)


def explain_workflow(status: WorkflowStatus, *, reached: bool) -> str:
    """A sentence for whoever has cancelled a workflow; `reached`: the broker has taken what workers are to be told."""
    if status is WorkflowStatus.CANCELLED:
        return "Workflow cancelled successfully"
    if not reached:
        return _UNREACHED
    return "Nothing new starts. What was handed over is to be refused or stopped; not all of it is known to have ended."
