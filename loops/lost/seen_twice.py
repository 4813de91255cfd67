"""What was missing at two looks, some seconds apart. A message can be between two lists while we scan them."""

from collections.abc import Collection
from datetime import datetime, timedelta

BETWEEN_LOOKS = timedelta(seconds=5)
FORGET_AFTER = timedelta(seconds=60)
"""Longer than between two looks at one task; one not looked at for so long was heard of."""


class SeenTwice:
    """Remembers since when a task is missing."""

    def __init__(self, *, between_looks: timedelta = BETWEEN_LOOKS) -> None:
        self._between_looks = between_looks
        self._since: dict[str, datetime] = {}

    def missing_again(self, missing: Collection[str], *, looked_at: Collection[str], now: datetime) -> list[str]:
        """Return those that an earlier look missed too, and forget them. Not every look is at every task."""
        since = {
            task_id: missed_at
            for task_id, missed_at in self._since.items()
            if task_id in missing or (task_id not in looked_at and now - missed_at < FORGET_AFTER)
        }
        again = [task_id for task_id in missing if now - since.get(task_id, now) >= self._between_looks]
        self._since = dict.fromkeys(missing, now) | since
        for task_id in again:
            del self._since[task_id]
        return again
