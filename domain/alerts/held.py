"""Workers that people hold back, and how alerts tell of them: a pause or a drain is somebody's wish, and no failure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from domain.sentences import some_of

MOST_NAMED = 3
SOMEBODY = "somebody without a key"


@dataclass(frozen=True, slots=True)
class HeldWorker:
    """A worker that somebody has paused or drained."""

    name: str
    is_drained: bool
    """Whether it was told to exit; else it is there, and starts nothing."""
    at: datetime | None
    """When that was asked for; None where nobody asked us."""
    by: str | None
    """Who asked for it; None where the audit does not have it any more."""
    queues: Collection[str] = ()
    left_last: bool = False
    """Whether it has exited, and no worker has gone since that was not drained."""

    @property
    def sentence(self) -> str:
        """Return who did what when."""
        what = "drained" if self.is_drained else "paused"
        at = f" at {self.at:%Y-%m-%d %H:%M} UTC" if self.at else ""
        return f"{self.name} was {what}{at}{f' by {self.by}' if self.by else ''}"


def drained_away(held: Collection[HeldWorker], *, online: int, wanted: float) -> list[HeldWorker]:
    """Return the workers that are missed because somebody drained them; none where others are missed as well."""
    drained = [worker for worker in held if worker.left_last]
    return drained if online + len(drained) >= wanted else []


def tell_held(held: Collection[HeldWorker]) -> str:
    """Return who was held back by whom, and how they come back, as the end of a sentence; nothing where none was."""
    if not held:
        return ""
    ends = " (a drained worker of celeriac up comes back when it is resumed)"
    said = some_of([worker.sentence for worker in held], most=MOST_NAMED)
    return f": {said}{ends if any(worker.is_drained for worker in held) else ''}"
