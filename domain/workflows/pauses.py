"""The pauses of a workflow: from an end of it until somebody retried it. In them nothing waited and nothing ran."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.states import TERMINAL

RETRIED = "retried"
EVENT_TYPES = frozenset({RETRIED, *(status.lower() for status in TERMINAL)})
"""The events of a workflow that begin and end its pauses."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The time from an end until a retry."""

    ended_at: datetime
    retried_at: datetime

    @property
    def seconds(self) -> float:
        """Return how long it was."""
        return (self.retried_at - self.ended_at).total_seconds()

    def seconds_between(self, since: datetime, until: datetime) -> float:
        """Return how much of it lies between two times."""
        return max(0.0, (min(until, self.retried_at) - max(since, self.ended_at)).total_seconds())


def pauses_of(events: Iterable[tuple[datetime, str]]) -> list[Pause]:
    """Return the pauses that the events of a workflow tell, oldest first; `events` are in the order of time."""
    pauses: list[Pause] = []
    ended_at: datetime | None = None
    for at, event_type in events:
        if event_type == RETRIED and ended_at is not None:
            pauses.append(Pause(ended_at, at))
        if event_type in EVENT_TYPES:
            ended_at = None if event_type == RETRIED else at
    return pauses
