"""What can be promised of the tasks of a queue, by the kind of worker that consumes it.

The one place for it: `up -A` and `doctor -A` show it, and a test compares the table in docs/guide/your-celery-app.md.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class WorkerKind(StrEnum):
    """The kinds of workers, the best first."""

    PLUGIN = "plugin"
    EVENTS = "stock, with -E"
    SILENT = "stock, without -E"


class Holds(StrEnum):
    """How far a promise is kept; the best first."""

    YES = "yes"
    PARTLY = "partly"
    UNKNOWN = "?"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Promise:
    """`word` heads a column.

    `needs_answers`: it does not hold where the worker cannot be asked. `needs_events`: nor where it tells nothing.
    """

    word: str
    sentence: str
    says: Mapping[WorkerKind, tuple[Holds, str]]
    needs_answers: bool = False
    needs_events: bool = False


PROMISES = (
    Promise(
        "seen",
        "Every run is seen while it happens",
        {
            WorkerKind.PLUGIN: (Holds.YES, "kept for Celeriac while it is away"),
            WorkerKind.EVENTS: (Holds.PARTLY, "on Redis only while Celeriac listens"),
            WorkerKind.SILENT: (Holds.NO, "only ends that the result backend keeps"),
        },
        needs_events=True,
    ),
    Promise(
        "cancel",
        "A cancelled task never starts",
        {
            WorkerKind.PLUGIN: (Holds.YES, "proven before the answer"),
            WorkerKind.EVENTS: (Holds.PARTLY, "202 until its end is proven"),
            WorkerKind.SILENT: (Holds.PARTLY, "202 until its end is proven"),
        },
    ),
    Promise(
        "pause",
        "A paused worker starts nothing",
        {
            WorkerKind.PLUGIN: (Holds.YES, "also after its restart"),
            WorkerKind.EVENTS: (Holds.PARTLY, "what it has fetched still runs"),
            WorkerKind.SILENT: (Holds.PARTLY, "what it has fetched still runs"),
        },
        needs_answers=True,
    ),
    Promise(
        "drain",
        "A drained worker ends what runs, and exits",
        {
            WorkerKind.PLUGIN: (Holds.YES, "what it had fetched is back at once"),
            WorkerKind.EVENTS: (Holds.PARTLY, "what it has fetched may still run"),
            WorkerKind.SILENT: (Holds.PARTLY, "what it has fetched may still run"),
        },
        needs_answers=True,
    ),
    Promise(
        "retries",
        "max_retries of a submission is obeyed",
        {
            WorkerKind.PLUGIN: (Holds.YES, "a ceiling on the task's own"),
            WorkerKind.EVENTS: (Holds.NO, "the task's own holds"),
            WorkerKind.SILENT: (Holds.NO, "the task's own holds"),
        },
    ),
    Promise(
        "once",
        "A second copy of a message does not start",
        {
            WorkerKind.PLUGIN: (Holds.YES, "each delivery starts once"),
            WorkerKind.EVENTS: (Holds.NO, "as often as the broker delivers it"),
            WorkerKind.SILENT: (Holds.NO, "as often as the broker delivers it"),
        },
    ),
)


@dataclass(frozen=True, slots=True)
class FleetWorker:
    """A worker as far as promises go."""

    node: str
    queues: tuple[str, ...]
    plugin: str | None
    events: bool | None
    """Whether it tells of its tasks; None where that is not known."""
    answers: bool = True
    """Whether it can be asked and told anything."""
    gated: bool = True
    """Whether its plugin reaches the Redis that it needs."""

    @property
    def kind(self) -> WorkerKind:
        """Return what it is: with our plugin, one that sends events, or a silent one."""
        if self.plugin and self.gated:
            return WorkerKind.PLUGIN
        return WorkerKind.EVENTS if self.events else WorkerKind.SILENT


def extent_of(promise: Promise, consumers: Collection[FleetWorker]) -> Holds:
    """How far a promise holds for a queue: as far as for the weakest of those that consume it; NO where nobody does."""
    weakest = [_extent_with(promise, consumer) for consumer in consumers] or [Holds.NO]
    return max(weakest, key=list(Holds).index)


def by_queue(consumers: Iterable[FleetWorker]) -> dict[str, list[FleetWorker]]:
    """Who consumes each queue."""
    workers_by_queue: dict[str, list[FleetWorker]] = {}
    for consumer in consumers:
        for queue in consumer.queues:
            workers_by_queue.setdefault(queue, []).append(consumer)
    return dict(sorted(workers_by_queue.items()))


def _extent_with(promise: Promise, consumer: FleetWorker) -> Holds:
    if promise.needs_answers and not consumer.answers:
        return Holds.NO
    if promise.needs_events and not consumer.events:
        return Holds.UNKNOWN if consumer.events is None else Holds.NO
    return promise.says[consumer.kind][0]
