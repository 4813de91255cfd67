"""The circuit of an endpoint: after failures in a row it is tried with one delivery at a time, ever more seldom.

    CLOSED -(10 failures in a row, or it asks for a pause)-> OPEN -(its time has come)-> HALF_OPEN -> CLOSED or OPEN

While it is open, deliveries wait and spend no attempts. What was on its way when it opened counts no more against it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.webhooks.attempts import SCHEDULE, jittered

OPENS_AFTER = 10
"""Failures in a row that open the circuit."""
DISABLED_AFTER = timedelta(days=5)
"""How long all must have failed until an endpoint is disabled."""
BURST_SECONDS = 1.0
"""How far an endpoint with a rate may be ahead of it: the deliveries of one second may go at once."""


class Phase(StrEnum):
    """The states of a circuit."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Circuit:
    """What an endpoint has done lately."""

    failures: int = 0
    """Failures in a row."""
    failing_since: datetime | None = None
    held_until: datetime | None = None
    """When the next delivery may try it; None while nothing holds it back."""

    def phase(self, now: datetime) -> Phase:
        """Return where it stands at this time."""
        if self.held_until is None:
            return Phase.CLOSED
        return Phase.OPEN if now < self.held_until else Phase.HALF_OPEN

    def allowance(self, now: datetime, *, most: int, in_flight: int) -> int:
        """Return how many more deliveries may be sent now, of `most` at a time."""
        room = {Phase.CLOSED: most, Phase.OPEN: 0, Phase.HALF_OPEN: 1}[self.phase(now)]
        return max(0, room - in_flight)

    def after_success(self) -> "Circuit":
        """Return the circuit of an endpoint that is well."""
        return Circuit()

    def after_failure(self, now: datetime, *, retry_after: timedelta | None, jitter: float) -> "Circuit":
        """Return the circuit after one more failure; `jitter` is drawn between -1 and 1."""
        if self.phase(now) is Phase.OPEN:
            return self
        failures, since = self.failures + 1, self.failing_since or now
        waits = [retry_after] if retry_after else []
        if failures >= OPENS_AFTER:
            waits.append(jittered(SCHEDULE[min(failures - OPENS_AFTER, len(SCHEDULE) - 1)], jitter))
        return Circuit(failures, since, now + max(waits) if waits else None)

    def is_hopeless(self, now: datetime) -> bool:
        """Tell whether all has failed for so long that the endpoint is disabled."""
        return self.failing_since is not None and now - self.failing_since >= DISABLED_AFTER


def admit(wanted: int, *, per_second: int | None, paced_until: datetime | None, now: datetime) -> int:
    """Return how many of these may go now by the rate of an endpoint, of which `paced_until` is used up already."""
    if per_second is None:
        return wanted
    used = max(0.0, (paced_until - now).total_seconds()) if paced_until else 0.0
    return max(0, min(wanted, int((BURST_SECONDS - used) * per_second + 1e-6)))


def pace(sent: int, *, per_second: int, paced_until: datetime | None, now: datetime) -> datetime:
    """Return until when the rate of an endpoint is used up, after so many more."""
    return max(paced_until or now, now) + timedelta(seconds=sent / per_second)
