"""When a run began and ended, of the stamps of its events and what its worker measured itself.

An event bears the time at which the worker's main process came to it, which is never before what it tells of and may be
seconds after it. The runtime in the event of an end was measured where the task ran: it is how long the run took, and
of both stamps the one that the other and the runtime show to be late gives way. So the end less the start is the
runtime wherever that was told, and no run ends before it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.clocks import credible_runtime
from domain.deliveries import STATE_OF_FACT
from domain.facts import Fact
from domain.states import ENDED, AttemptState, EventType


@dataclass(frozen=True, slots=True)
class Run:
    """The times of one attempt, as far as they are known."""

    received_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    runtime_seconds: float | None
    """What the worker measured; None where it told nothing that can be true."""


def run_of(facts: Sequence[Fact], state: AttemptState) -> Run:
    """Return the run of an attempt that came to this state; `facts` are its own, in the order of time."""
    received, started = (_first(facts, event_type) for event_type in (EventType.RECEIVED, EventType.STARTED))
    ends = [fact for fact in facts if STATE_OF_FACT[fact.type] is state] if state in ENDED else []
    for end in ends:
        runtime = credible_runtime(end.details.get("runtime"), received_at=received, ended_at=end.at)
        if runtime is not None:
            took = timedelta(seconds=runtime)
            begun = min(started or end.at, end.at - took)
            return Run(received, begun, begun + took, runtime)
    # The backend may tell an end that is earlier than the stamp of the start; the worker's own event is after it.
    finished = next((end.at for end in ends if started is None or end.at >= started), ends[0].at if ends else None)
    return Run(received, min(started, finished) if started and finished else started, finished, None)


def _first(facts: Sequence[Fact], event_type: EventType) -> datetime | None:
    return next((fact.at for fact in facts if fact.type is event_type), None)
