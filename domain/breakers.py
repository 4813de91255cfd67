"""A breaker: when a part of the system counts as failed, and when it may be relied on again.

Closed, it lets everything through. After three failures in a row that span three seconds it opens: a restart of a
server is shorter, and what waits for one shall not be refused. The first success after that makes it half-open: things
are tried again, and one more success closes it while one failure opens it anew.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

OPEN_AFTER_FAILURES = 3
OPEN_AFTER = timedelta(seconds=3)


class BreakerState(StrEnum):
    """Whether requests pass (closed), do not (open), or one is let through to see (half-open)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state, and the failures in a row that have not opened it yet."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    failing_since: datetime | None = None
    open_after: timedelta = OPEN_AFTER
    """How long failures must go on before they open it."""

    def succeeded(self) -> "Breaker":
        """Return the breaker as it is after a success."""
        return self._in(BreakerState.HALF_OPEN if self.state is BreakerState.OPEN else BreakerState.CLOSED)

    def failed(self, at: datetime) -> "Breaker":
        """Return the breaker as it is after a failure at this time."""
        if self.state is not BreakerState.CLOSED:
            return self._in(BreakerState.OPEN)
        since = self.failing_since or at
        failures = self.failures + 1
        if failures >= OPEN_AFTER_FAILURES and at - since >= self.open_after:
            return self._in(BreakerState.OPEN)
        return replace(self, failures=failures, failing_since=since)

    def _in(self, state: BreakerState) -> "Breaker":
        return Breaker(state, open_after=self.open_after)
