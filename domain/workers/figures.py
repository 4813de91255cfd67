"""The figures of one worker in `/dashboard/workers` (docs/rest-contract.md, section 6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.trends import DECIMALS, percentage

RATE_WINDOW = timedelta(minutes=1)
"""How far back the rates of ends look, those of workers and of all together: what people compare has one window."""
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Ends:
    """How many tasks have ended within `RATE_WINDOW`, on one node or on all."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def per_minute(self) -> float:
        """Return how many tasks have ended a minute."""
        return round(self._all * timedelta(minutes=1) / RATE_WINDOW, DECIMALS)

    @property
    def error_rate(self) -> float | None:
        """Return the percentage of them that failed; None where none has ended."""
        return percentage(self.failed, self._all)

    @property
    def _all(self) -> int:
        return self.completed + self.failed + self.cancelled


def uptime_seconds(
    *,
    online_at: datetime | None,
    goodbye_at: datetime | None,
    last_event_at: datetime | None,
    last_heartbeat_at: datetime | None,
    now: datetime,
) -> int | None:
    """How many whole seconds a node that is online has been so; None if its start was not heard.

    The first three are times by the node's clock, of which only differences count; what has passed since it was last
    heard is measured by ours.
    """
    if online_at is None or last_event_at is None or last_heartbeat_at is None:
        return None
    if goodbye_at is not None and goodbye_at > online_at:
        return None  # it has come back since, unheard
    by_its_clock, by_ours = last_event_at - online_at, now - last_heartbeat_at
    return max(NO_TIME, by_its_clock + max(NO_TIME, by_ours)) // timedelta(seconds=1)


def utilization(*, running: int, capacity: int | None) -> float | None:
    """Share of the capacity in use, 0 to 1: what was heard may be more than fits. None of a capacity not known."""
    return round(min(1.0, running / capacity), DECIMALS) if capacity else None
