"""How long events may gather before the next of them are read: the more come, the longer, up to a tenth of a second.

A commit of the mirror costs some 5 ms, however little it holds. A single task loses nothing: the first event after a
quiet time, and all events of a few tasks a second, are read at once. While somebody waits for an end, more have to come
until any gathers, and none for long.
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
HURRY_SECONDS = 1.0
"""Once asked to, it is hurried for so long."""
HURRIED_SECONDS = 0.02
HURRIED_MANY = 3.0
"""How many times as many events a second it takes then. A chain of steps alone makes up to 200."""


class Gathering:
    """Knows how many events come. One for all listeners of a process; their threads may ask it at any time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = 0.0
        """Events a second when they were last counted: a quarter of a second ago counts for a third of now."""
        self._noted_at = clock()
        self._hurried_until = 0.0

    def note(self, count: int) -> None:
        """Count events that were stored."""
        now = self._clock()
        self._rate = self._rate_at(now) + count / MEMORY_SECONDS
        self._noted_at = now

    def seconds(self) -> float:
        """Return how long the next events may gather."""
        now = self._clock()
        longest, times = (HURRIED_SECONDS, HURRIED_MANY) if now < self._hurried_until else (LONGEST_SECONDS, 1.0)
        share = (self._rate_at(now) / times - FEW) / (MANY - FEW)
        return longest * min(1.0, max(0.0, share))

    def hurry(self) -> None:
        """Let little gather for a while: somebody can go on only after an end."""
        self._hurried_until = self._clock() + HURRY_SECONDS

    def _rate_at(self, now: float) -> float:
        return self._rate * math.exp((self._noted_at - now) / MEMORY_SECONDS)
