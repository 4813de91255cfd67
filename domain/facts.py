"""A fact: one thing that happened to one task, told by us, by a worker or by the result backend.

Facts are the only input of `domain/fold.py`; the events table keeps every one of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.states import EventType

Detail = str | int | float | bool | None

PUBLISHER = "publisher"
BACKEND = "backend"
NODE = "node"
TOLD_LATER = frozenset({BACKEND, NODE})
"""Sources that are asked where an event was missed: the result backend, and a worker about what it holds."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of one task. Two facts with the same `key` are the same fact, however often it arrives."""

    task_id: str
    type: EventType
    at: datetime
    """When it happened by the clock of whoever tells it; aware."""
    key: str
    """What makes it this fact and no other, unique within the task."""
    node: str | None = None
    pid: int | None = None
    clock: int | None = None
    """Celery's logical clock: orders the events of one worker process, and nothing else."""
    retries: int | None = None
    """Which attempt, where the source says so (only `received` and the backend do)."""
    details: Mapping[str, Detail] = field(default_factory=dict)
    """What else is known: exception, traceback, runtime, requeue, dispatch_no, source..."""

    @property
    def source(self) -> Detail:
        """`publisher`, `backend` or `node`; None for us and for workers' events."""
        return self.details.get("source")


def distinct(facts: Iterable[Fact]) -> list[Fact]:
    """Each fact once, in the order of time; of several tellings of one fact the earliest."""
    by_key: dict[str, Fact] = {}
    for fact in sorted(facts, key=by_time):
        by_key.setdefault(fact.key, fact)
    return list(by_key.values())


def dispatch_number(fact: Fact) -> int:
    """Which dispatch of the task the fact is about; 0 where it does not say."""
    number = fact.details.get("dispatch_no")
    return number if isinstance(number, int) else 0


def by_time(fact: Fact) -> tuple[datetime, str]:
    """The key that sorts the facts of one task by time, ties broken by content."""
    return fact.at, fact.key


def worker_event_key(event_type: str, node: str, *, pid: int, clock: int) -> str:
    """The identity of a worker's event. Celery gives events none; (type, node, pid, clock) is unique."""
    return f"{event_type}:{node}:{pid}:{clock}"
