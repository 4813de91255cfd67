"""What can be promised of the tasks of a queue, by the kind of worker that consumes it.

The one place for it: `up -A` and `doctor -A` show it, and a test compares the table in docs/guide/your-celery-app.md.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
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
    says: Mapping[Kind, tuple[Holds, str]]
    needs_answers: bool = False
    needs_events: bool = False


PROMISES = (
    Promise(
        "seen",
        "Every run is seen while it happens",
        {
            Kind.PLUGIN: (Holds.YES, "kept for Celeriac while it is away"),
            Kind.EVENTS: (Holds.PARTLY, "on Redis only while Celeriac listens"),
            Kind.SILENT: (Holds.NO, "only ends that the result backend keeps"),
        },
        needs_events=True,
    ),
    Promise(
        "cancel",
        "A cancelled task never starts",
        {
            Kind.PLUGIN: (Holds.YES, "proven before the answer"),
            Kind.EVENTS: (Holds.PARTLY, "202 until its end is proven"),
            Kind.SILENT: (Holds.PARTLY, "202 until its end is proven"),
        },
    ),
    Promise(
        "pause",
        "A paused worker starts nothing",
        {
            Kind.PLUGIN: (Holds.YES, "also after its restart"),
            Kind.EVENTS: (Holds.PARTLY, "what it has fetched still runs"),
            Kind.SILENT: (Holds.PARTLY, "what it has fetched still runs"),
        },
        needs_answers=True,
    ),
    Promise(
        "drain",
        "A drained worker ends what runs, and exits",
        {
            Kind.PLUGIN: (Holds.YES, "what it had fetched is back at once"),
            Kind.EVENTS: (Holds.PARTLY, "what it has fetched may still run"),
            Kind.SILENT: (Holds.PARTLY, "what it has fetched may still run"),
        },
        needs_answers=True,
    ),
    Promise(
        "retries",
        "max_retries of a submission is obeyed",
        {
            Kind.PLUGIN: (Holds.YES, "a ceiling on the task's own"),
            Kind.EVENTS: (Holds.NO, "the task's own holds"),
            Kind.SILENT: (Holds.NO, "the task's own holds"),
        },
    ),
    Promise(
        "once",
        "A second copy of a message does not start",
        {
            Kind.PLUGIN: (Holds.YES, "each delivery starts once"),
            Kind.EVENTS: (Holds.NO, "as often as the broker delivers it"),
            Kind.SILENT: (Holds.NO, "as often as the broker delivers it"),
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Consumer:
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
    def kind(self) -> Kind:
        """Return what it is: with our plugin, one that sends events, or a silent one."""
        if self.plugin and self.gated:
            return Kind.PLUGIN
        return Kind.EVENTS if self.events else Kind.SILENT


def kept(promise: Promise, consumers: Collection[Consumer]) -> Holds:
    """How far a promise holds for a queue: as far as for the weakest of those that consume it; NO where nobody does."""
    weakest = [_kept_by(promise, consumer) for consumer in consumers] or [Holds.NO]
    return max(weakest, key=list(Holds).index)


def by_queue(consumers: Iterable[Consumer]) -> dict[str, list[Consumer]]:
    """Who consumes each queue."""
    found: dict[str, list[Consumer]] = {}
    for consumer in consumers:
        for queue in consumer.queues:
            found.setdefault(queue, []).append(consumer)
    return dict(sorted(found.items()))


def _kept_by(promise: Promise, consumer: Consumer) -> Holds:
    if promise.needs_answers and not consumer.answers:
        return Holds.NO
    if promise.needs_events and not consumer.events:
        return Holds.UNKNOWN if consumer.events is None else Holds.NO
    return promise.says[consumer.kind][0]
