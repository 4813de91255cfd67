"""Workers as the explanation of a task needs them: those that may take it, and the one that runs it and is gone."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueueWorker:
    """A worker that consumes the queue of a task, or may."""

    hostname: str
    online: bool
    held: str | None
    """`paused` or `draining`; None for one that takes tasks."""
    knows_task: bool | None
    """Whether it has registered the task's name; None: it has not said what it knows."""
    running: int
    capacity: int | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Absence:
    """That the worker process which began a run shows no life."""

    heard_at: datetime | None
    """When it was last heard, as far as is known."""
    is_replaced: bool
    """Another process of its name has begun since, and it had said no goodbye."""

    def sentence_of(self, name: str) -> str:
        """Return what is so, and what comes of it."""
        if self.is_replaced:
            return f"{name} ended without a goodbye while it ran, and was started again; what it held is looked after."
        return f"{name}, which runs it, is not heard any more; what it holds is looked after once it is proven dead."
