"""How long events may gather before the next of them are read: the more come, the longer, up to a tenth of a second.

A commit of the mirror costs some 5 ms, however little it holds. A single task loses nothing: the first event after a
quiet time, and all events of a few tasks a second, are read at once.
"""

import math
import time
from collections.abc import Callable

LONGEST_SECONDS = 0.1
FEW, MANY = 100.0, 200.0
"""Events a second up to which nothing waits, and from which on all may gather for the longest time. One task after
another, each begun when the last has ended, makes up to 90.
"""
MEMORY_SECONDS = 0.25


class Gathering:
    """Knows how many events come. One for all listeners of a process; their threads may ask it at any time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = 0.0
        """Events a second when they were last counted: a quarter of a second ago counts for a third of now."""
        self._noted_at = clock()

    def note(self, count: int) -> None:
        """Count events that were stored."""
        now = self._clock()
        self._rate = self._rate_at(now) + count / MEMORY_SECONDS
        self._noted_at = now

    def seconds(self) -> float:
        """Return how long the next events may gather."""
        share = (self._rate_at(self._clock()) - FEW) / (MANY - FEW)
        return LONGEST_SECONDS * min(1.0, max(0.0, share))

    def _rate_at(self, now: float) -> float:
        return self._rate * math.exp((self._noted_at - now) / MEMORY_SECONDS)
