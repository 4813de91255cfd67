"""What is said of a queue from its figures: how fast tasks come and go, and when it will be empty."""

from dataclasses import dataclass
from datetime import timedelta

from domain.trends import DECIMALS, NOTHING, Sums, Window

RATE_WINDOW = timedelta(minutes=1)
"""How far back rates look, and to the beginning of that minute: they are those of one to two minutes."""


@dataclass(frozen=True, slots=True)
class QueueRates:
    """Tasks a minute."""

    incoming: float
    """Submitted to the queue, those included that are scheduled for later."""
    outgoing: float
    """Started for the first time."""


def rates_of(sums: Sums | None, window: Window) -> QueueRates:
    """Return the rates of what was counted in the window; of what was not counted they are 0."""
    counted, minutes = sums or NOTHING, (window.until - window.since) / timedelta(minutes=1)
    return QueueRates(round(counted.submitted / minutes, DECIMALS), round(counted.waits / minutes, DECIMALS))


def seconds_until_empty(waiting: int | None, rates: QueueRates) -> float | None:
    """Return when nothing waits any more if all goes on as it does; None where it never will, or nobody can tell."""
    if waiting is None:
        return None
    if waiting == 0:
        return 0.0
    surplus = rates.outgoing - rates.incoming
    return round(60 * waiting / surplus, 1) if surplus > 0 else None
