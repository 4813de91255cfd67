"""Degradation: which service is marked how, what depends on it, and what a mark changes (docs/rest-contract.md).

One table says what each kind of request needs. A mark acts on every request that needs the marked service:
`fail_fast` refuses it, `return_cached` answers reads from the last good answer; `queue_only` keeps new work and hands
nothing to the broker. A failing database and a failing broker act as if they were marked.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.audit import NAMELESS, Author
from domain.errors import InvalidRequest
from domain.health import DATABASE
from domain.queue_names import flaw_of

BROKER = "broker"
RESULT_BACKEND = "result_backend"
WORKERS = "workers"
MIRROR = "mirror"
COMPONENTS = (DATABASE, BROKER, RESULT_BACKEND, WORKERS, MIRROR)
QUEUE_PREFIX = "queue:"
TASK_PREFIX = "task:"
SERVICES = (*COMPONENTS, f"{QUEUE_PREFIX}<name>", f"{TASK_PREFIX}<name>")
"""What may be marked."""

_TASK = re.compile(rf"{TASK_PREFIX}[^\x00-\x1f\x7f]{{1,255}}")


class Strategy(StrEnum):
    """What becomes of requests that need what is marked."""

    RETURN_CACHED = "return_cached"
    FAIL_FAST = "fail_fast"
    QUEUE_ONLY = "queue_only"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who set a mark, when, and why."""

    at: datetime
    by: str | None
    """The name under which his writes are recorded, e.g. `api_key:k7Qm2ZpX4rT1`."""
    name: str | None
    """How he is called; None for whoever has no name, as where there is no key."""
    reason: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One service, degraded for a while."""

    service_name: str
    strategy: Strategy
    until: datetime | None
    """The end of the mark; None for a breaker's, which ends when the service is back."""
    signature: Signature | None = None
    """Who set it; None for a breaker's, and where nobody knows."""


Marks = Mapping[str, Mark]
"""The marks, by service name."""

NO_MARKS: Marks = {}


def check_service(service_name: str, strategy: Strategy | None = None) -> None:
    """Raises InvalidRequest for what cannot be marked, or cannot be marked so."""
    if service_name in COMPONENTS:
        return
    if service_name.startswith(QUEUE_PREFIX):
        _check_queue(service_name.removeprefix(QUEUE_PREFIX))
    elif not _TASK.fullmatch(service_name):
        raise InvalidRequest(
            f"service_name must be one of: {', '.join(SERVICES)}.",
            errors=(("service_name", f"must be one of: {', '.join(SERVICES)}"),),
        )
    if strategy is Strategy.RETURN_CACHED:
        raise InvalidRequest(
            "A queue or a task can only be marked fail_fast or queue_only.",
            errors=(("strategy", "a queue or a task takes only fail_fast or queue_only"),),
        )


def _check_queue(queue_name: str) -> None:
    flaw = flaw_of(queue_name)
    if flaw:
        raise InvalidRequest(
            f"service_name: the queue's name {flaw}; one of: {', '.join(SERVICES)}.",
            errors=(("service_name", f"the queue's name {flaw}"),),
        )


def work_of(service_name: str) -> str | None:
    """Return whose work a mark is for, to begin a sentence: `all tasks named pay are`; None for a component.

    The words are those of the dashboard's `logic/marks.ts`.
    """
    if service_name.startswith(TASK_PREFIX):
        return f"all tasks named {service_name.removeprefix(TASK_PREFIX)} are"
    if service_name.startswith(QUEUE_PREFIX):
        return f"all that is submitted to queue {service_name.removeprefix(QUEUE_PREFIX)} is"
    return None


def in_force(marks: Iterable[Mark], *, now: datetime) -> Marks:
    """Return the marks that have not ended."""
    return {mark.service_name: mark for mark in marks if mark.until is None or mark.until > now}


class Access(StrEnum):
    """Kinds of requests, by what they need."""

    READ = "reads"
    READ_RESULT = "reads of one task with its result"
    READ_NODES = "reads of workers and the dashboard"
    SUBMIT = "new work"
    CONTROL = "control of workers"
    WRITE = "other writes"


NEEDS: Mapping[Access, frozenset[str]] = {
    Access.READ: frozenset({DATABASE, MIRROR}),
    Access.READ_RESULT: frozenset({DATABASE, MIRROR, RESULT_BACKEND}),
    Access.READ_NODES: frozenset({DATABASE, MIRROR, BROKER, WORKERS}),
    Access.SUBMIT: frozenset({DATABASE, BROKER, RESULT_BACKEND, WORKERS}),
    Access.CONTROL: frozenset({DATABASE, BROKER, WORKERS}),
    # A cancel is one: it must be taken whatever the broker and the workers do.
    Access.WRITE: frozenset({DATABASE}),
}
READS = frozenset({Access.READ, Access.READ_RESULT, Access.READ_NODES})


class KnowsMarks(Protocol):
    """Who has the marks at hand: `services.resident.degradation.DegradationMarks`."""

    def current(self) -> Marks: ...

    async def fresh(self) -> Marks: ...


def decide(access: Access, marks: Marks, *, failing: Collection[str] = ()) -> Mark | None:
    """The mark that changes the answer to such a request: a refusal before a cached answer; None for none.

    `failing` are the components whose breaker is open.
    """
    acting = [marks[name] for name in sorted(NEEDS[access] & marks.keys())]
    if DATABASE in failing:
        acting.append(Mark(DATABASE, Strategy.RETURN_CACHED if access in READS else Strategy.FAIL_FAST, None))
    refusals = [mark for mark in acting if mark.strategy is Strategy.FAIL_FAST]
    cached = [mark for mark in acting if mark.strategy is Strategy.RETURN_CACHED and access in READS]
    return next(iter(refusals + cached), None)


def refusal_of(marks: Marks, *, queue_name: str | None, task_name: str | None) -> Mark | None:
    """The mark that refuses new work for this queue or of this name; None for none."""
    named = (marks.get(f"{QUEUE_PREFIX}{queue_name}"), marks.get(f"{TASK_PREFIX}{task_name}"))
    return next((mark for mark in named if mark and mark.strategy is Strategy.FAIL_FAST), None)


def automatic(failing: Collection[str]) -> Marks:
    """What breakers mark by themselves. Without the other components work goes on, or waits where it is safe."""
    strategies = {DATABASE: Strategy.RETURN_CACHED, BROKER: Strategy.QUEUE_ONLY}
    return {name: Mark(name, strategy, None) for name, strategy in strategies.items() if name in failing}


@dataclass(frozen=True, slots=True)
class BlockedWork:
    """What the dispatcher must not hand to the broker."""

    everything: bool = False
    queue_names: frozenset[str] = frozenset()
    task_names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.everything or self.queue_names or self.task_names)

    def holds(self, queue_name: str, task_name: str) -> bool:
        """Whether this task must stay."""
        return self.everything or queue_name in self.queue_names or task_name in self.task_names


def blocked_by(marks: Marks) -> BlockedWork:
    """What the `queue_only` marks hold back: a component all work, a queue or task name its own."""
    names = holding(marks)
    return BlockedWork(
        everything=any(name in COMPONENTS for name in names),
        queue_names=frozenset(name.removeprefix(QUEUE_PREFIX) for name in names if name.startswith(QUEUE_PREFIX)),
        task_names=frozenset(name.removeprefix(TASK_PREFIX) for name in names if name.startswith(TASK_PREFIX)),
    )


def holding(marks: Marks) -> list[str]:
    """Return the services whose mark `queue_only` holds work back."""
    return sorted(name for name, mark in marks.items() if mark.strategy is Strategy.QUEUE_ONLY)


def signature_of(author: Author, *, at: datetime) -> Signature:
    """Return what a mark tells of whoever sets it in this request."""
    name = None if author.kind in NAMELESS else author.name
    return Signature(at, author.label, name, author.reason)


def holders_of(queue_name: str, task_name: str, *, marks: Marks) -> list[str]:
    """Return the services whose mark `queue_only` holds back such a task."""
    names = (*COMPONENTS, f"{QUEUE_PREFIX}{queue_name}", f"{TASK_PREFIX}{task_name}")
    return [name for name in names if name in marks and marks[name].strategy is Strategy.QUEUE_ONLY]


def counts_by_mark(held: Iterable[tuple[str, str, int]], *, marks: Marks) -> dict[str, int]:
    """Return how many tasks each mark `queue_only` holds back, by service name, of queues and names with so many."""
    counts = dict.fromkeys(holding(marks), 0)
    for queue_name, task_name, count in held:
        for name in holders_of(queue_name, task_name, marks=marks):
            counts[name] += count
    return counts
