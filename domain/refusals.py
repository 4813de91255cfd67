"""A task that the broker does not take: when it is offered again, and from when on it counts as parked.

A refusal is the fate of one task. It leaves the batches of the others at once, and what is refused again and again
waits long enough to cost nothing, but not for ever: a broker that is mended takes it by itself.
"""

from dataclasses import dataclass
from datetime import timedelta

PARKED_AFTER = 5
"""Refusals, the last of them 15 s after the first."""
FIRST_PAUSE = timedelta(seconds=1)
PARKED_PAUSE = timedelta(minutes=5)
AWAITING_PAUSE = timedelta(seconds=10)
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one message was not taken. Never a part of its arguments."""

    reason: str
    awaits_queue: bool = False
    """There is no such queue yet: a worker that starts may declare it at any moment."""


def pause_after(refusals: int, refusal: Refusal) -> timedelta:
    """How long a task waits that was refused so many times: 1, 2, 4, 8 s, then, parked, 5 min."""
    pause = PARKED_PAUSE if is_parked(refusals) else FIRST_PAUSE * 2 ** (refusals - 1)
    return min(pause, AWAITING_PAUSE) if refusal.awaits_queue else pause


def is_parked(refusals: int) -> bool:
    """Whether it is out of the way of others, and somebody should look."""
    return refusals >= PARKED_AFTER
