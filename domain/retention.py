"""How long tasks and workflows are kept after their end, by the status that they ended in."""

from dataclasses import dataclass
from datetime import timedelta

from domain.states import Status


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages from the end on; zero is for ever."""

    finished: timedelta
    """The age at which what completed or was cancelled goes."""
    failed: timedelta

    def ages(self) -> dict[Status, timedelta]:
        """Return the ages by terminal status; one that is kept for ever is left out."""
        ages = {Status.COMPLETED: self.finished, Status.CANCELLED: self.finished, Status.FAILED: self.failed}
        return {status: age for status, age in ages.items() if age}

    @property
    def of_events(self) -> timedelta | None:
        """Events live the longest of all ages; None is for ever."""
        return max(self.finished, self.failed) if self.finished and self.failed else None

    @property
    def of_news(self) -> timedelta | None:
        """A task that nobody knows and that was last heard of longer ago than this may have been deleted."""
        return min(self.ages().values(), default=None)
