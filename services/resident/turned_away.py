"""Requests that were refused for want of a valid key, counted by the minute until they are written.

Whoever runs clients that send none, or one that opens nothing any more, learns of it in no other way: nothing of what
they wanted is stored. A process keeps an hour of counts while Postgres is away, and writes them every 2 s at most.
"""

import time
from collections.abc import Iterable
from datetime import datetime

from domain.api_keys import TurnedAway

PAUSE_SECONDS = 2.0
"""The pause between two writes: while strangers show unknown keys, they are read up to 50 times a second."""
MAX_MINUTES = 60


class TurnedAwayCounts:
    """What was counted and is not written."""

    def __init__(self) -> None:
        self._minutes: dict[datetime, TurnedAway] = {}
        self._taken_at = float("-inf")

    def add(self, at: datetime, *, source: str) -> None:
        """Count one more request; beyond `MAX_MINUTES` the oldest minute is forgotten."""
        one = TurnedAway(at.replace(second=0, microsecond=0), 1, at, source)
        self._put(one, before=self._minutes.get(one.minute))

    def take(self) -> list[TurnedAway]:
        """Return what is to be written now; nothing so soon after the last time."""
        if not self._minutes or time.monotonic() - self._taken_at < PAUSE_SECONDS:
            return []
        self._taken_at = time.monotonic()
        taken = [self._minutes[minute] for minute in sorted(self._minutes)]
        self._minutes.clear()
        return taken

    def give_back(self, taken: Iterable[TurnedAway]) -> None:
        """Keep what was taken and could not be written."""
        for earlier in taken:
            later = self._minutes.get(earlier.minute)
            self._put(later or earlier, before=earlier if later else None)

    def _put(self, one: TurnedAway, *, before: TurnedAway | None) -> None:
        self._minutes[one.minute] = one.and_earlier(before) if before else one
        if len(self._minutes) > MAX_MINUTES:
            del self._minutes[min(self._minutes)]
