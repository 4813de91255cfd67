"""Raw messages as workers send them, and a result backend in memory."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from domain.errors import Unavailable
from domain.results import StoredResult
from gateway.events.sources import EventMessage

NODE = "celery@one"
LIFE = ("task-received", "task-started", "task-succeeded")


def message(event_type: str, clock: int = 1, *, streamed: bool = False, **given: object) -> EventMessage:
    """One event of now."""
    now = datetime.now(UTC)
    usual = {"type": event_type, "hostname": NODE, "pid": 7, "clock": clock, "timestamp": now.timestamp()}
    return EventMessage(json.dumps(usual | given).encode(), now, streamed)


def life(task_id: str) -> list[EventMessage]:
    """A task that is received, started and succeeds."""
    return [message(event_type, clock, uuid=task_id) for clock, event_type in enumerate(LIFE, start=1)]


class Results:
    """What workers stored, by task id; `available` switches the backend off."""

    def __init__(self, *stored: StoredResult) -> None:
        self._stored = {result.task_id: result for result in stored}
        self.available = True

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        if not self.available:
            raise Unavailable
        return {task_id: self._stored[task_id] for task_id in task_ids if task_id in self._stored}
