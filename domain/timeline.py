"""The timeline of a task: every fact, in the order of cause and effect.

Clocks of several machines cannot order events, so entries sort by attempt, then by causal rank,
then by time.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.deliveries import STATE_OF_FACT
from domain.facts import BACKEND, TOLD_LATER, Detail, Fact, distinct
from domain.fold import Attempt, fold, reconstructed_facts
from domain.states import AttemptState, EventType

CAUSAL_RANK = {
    EventType.SUBMITTED: 0,
    EventType.DISPATCHED: 1,
    EventType.RECEIVED: 3,
    EventType.STARTED: 4,
    EventType.CANCEL_REQUESTED: 5,
    EventType.RETRIED: 6,
    EventType.REJECTED: 6,
    EventType.REVOKED: 6,
    EventType.SUCCEEDED: 7,
    EventType.FAILED: 7,
    EventType.ENDED: 7,
    EventType.LOST: 8,
    EventType.REPLAYED: 9,
}

ENDS = frozenset({EventType.REJECTED, EventType.REVOKED, EventType.FAILED, EventType.SUCCEEDED, EventType.ENDED})
"""The ends, of which a run has one however many are told: a time limit is told twice, a rejection as failed too."""

NAMING = ("new_task_id", "parent_id")
"""Details of an event that are ids of other tasks."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a timeline."""

    at: datetime
    type: EventType
    node: str | None
    attempt: int | None
    """The attempt's number; None for what happened to the task as a whole."""
    details: Mapping[str, Detail]


def timeline(facts: Iterable[Fact]) -> list[TimelineEntry]:
    """Every fact once, oldest cause first.

    A second `received` of one attempt shows as `redelivered`; what was found out by asking is left out
    where the worker's own event was heard after all. Of several ends of one attempt the one that counts is shown.
    """
    distinct_facts = distinct(facts)
    attempts = fold(distinct_facts).attempts
    owner = {fact.key: attempt for attempt in attempts for fact in attempt.facts}
    lines = [
        fact for fact in distinct_facts if fact.source not in TOLD_LATER or _is_reconstructed(fact, owner[fact.key])
    ]
    ends = {fact.key for fact in lines if fact.type in ENDS}
    others = {fact.key for attempt in attempts for fact in _other_ends(attempt, ends)}
    lines = [fact for fact in lines if fact.key not in others]
    losses = [fact for fact in lines if fact.type is EventType.LOST and fact.key not in owner]
    ordered = sorted(lines, key=lambda fact: _position(fact, owner.get(fact.key), attempts=attempts, losses=losses))
    return [_entry(fact, owner.get(fact.key)) for fact in ordered]


def names_of(entry: TimelineEntry) -> list[str]:
    """Return the ids of the other tasks that an entry names."""
    return [str(entry.details[name]) for name in NAMING if entry.details.get(name) is not None]


def without_names(entry: TimelineEntry, unseen: Collection[str]) -> TimelineEntry:
    """Return the entry without those of its details that are one of these ids."""
    hidden = [name for name in NAMING if entry.details.get(name) in unseen]
    if not hidden:
        return entry
    return replace(entry, details={name: value for name, value in entry.details.items() if name not in hidden})


def _other_ends(attempt: Attempt, ends: Container[str]) -> list[Fact]:
    """Return those ends of the attempt that its state is not taken from."""
    if attempt.state is AttemptState.REPLACED:
        return [fact for fact in attempt.facts if fact.type is EventType.ENDED]
    ends_told = [fact for fact in attempt.facts if fact.key in ends]
    best = next((fact for fact in ends_told if STATE_OF_FACT[fact.type] is attempt.state), None)
    return [fact for fact in ends_told if best is not None and fact is not best and not _disagrees(fact, best)]


def _disagrees(fact: Fact, best: Fact) -> bool:
    """Whether a worker and the result backend tell different ends of one run; then both are shown."""
    return fact.type is not best.type and (fact.source == BACKEND) is not (best.source == BACKEND)


def _is_reconstructed(fact: Fact, owner: Attempt) -> bool:
    return fact in reconstructed_facts(owner.facts)


def _position(
    fact: Fact, owner: Attempt | None, *, attempts: tuple[Attempt, ...], losses: Sequence[Fact]
) -> tuple[int, int, int, datetime, str]:
    number = owner.number if owner else _attempt_at(fact, attempts)
    dispatch_no = 0 if number else _dispatch_at(fact, losses)
    return (number, dispatch_no, CAUSAL_RANK[fact.type], fact.at, fact.key)


def _dispatch_at(fact: Fact, losses: Sequence[Fact]) -> int:
    """The dispatch that the fact tells of, or during which it came about; 0 is before the first."""
    if fact.type is EventType.SUBMITTED:
        return 0
    number = fact.details.get("dispatch_no")
    return number if isinstance(number, int) else 1 + sum(lost.at <= fact.at for lost in losses)


def _attempt_at(fact: Fact, attempts: tuple[Attempt, ...]) -> int:
    """The attempt during which the task as a whole was touched; 0 is before the first."""
    if fact.type in (EventType.SUBMITTED, EventType.DISPATCHED, EventType.LOST):
        return 0
    begun = [attempt.number for attempt in attempts if attempt.facts[0].at <= fact.at]
    return max(begun, default=0)


def _entry(fact: Fact, owner: Attempt | None) -> TimelineEntry:
    redelivered = fact.type is EventType.RECEIVED and owner is not None and owner.delivery > 1
    return TimelineEntry(
        at=fact.at,
        type=EventType.REDELIVERED if redelivered else fact.type,
        node=fact.node,
        attempt=owner.number if owner else None,
        details=fact.details,
    )
