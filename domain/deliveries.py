"""From the facts of one task to its attempts: which fact belongs to which delivery.

Celery names the attempt only in `received`; every other event must be attached. The rules below look
at the whole set of facts, never at the order of arrival, so any shuffle gives the same attempts.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.facts import BACKEND, Fact, by_time
from domain.states import ATTEMPT_RANK, ENDED, AttemptState, EventType

STATE_OF_FACT = {
    EventType.RECEIVED: AttemptState.RECEIVED,
    EventType.STARTED: AttemptState.STARTED,
    EventType.LOST: AttemptState.LOST,
    EventType.REJECTED: AttemptState.REJECTED,
    EventType.RETRIED: AttemptState.RETRIED,
    EventType.REVOKED: AttemptState.REVOKED,
    EventType.FAILED: AttemptState.FAILED,
    EventType.SUCCEEDED: AttemptState.SUCCEEDED,
}


@dataclass(slots=True)
class Delivery:
    """One handing-over of a task to a worker process, with the facts that belong to it."""

    node: str | None
    pid: int | None
    retries: int | None
    facts: list[Fact] = field(default_factory=list)
    is_started: bool = False
    """While its process's events are walked: one of them was `started`."""

    @property
    def state(self) -> AttemptState:
        """The highest state that any fact of it proves."""
        return max((STATE_OF_FACT[fact.type] for fact in self.facts), key=ATTEMPT_RANK.__getitem__)


def deliveries(facts: Iterable[Fact]) -> list[Delivery]:
    """All deliveries of a task, oldest attempt first, each with its `retries` known.

    `facts` are those of one task that concern a worker: with a node, or told by the result backend.
    """
    observed, told_later = _split(facts)
    asked_for = {fact.retries for group in observed.values() for fact in group if fact.type is EventType.RECEIVED}
    found = [delivery for group in observed.values() for delivery in _walk(group, asked_for)]
    _number_unnamed(found)
    for fact in told_later:
        _attach(fact, found)
    found.sort(key=_order)
    return found


def _split(facts: Iterable[Fact]) -> tuple[dict[tuple[str | None, int | None], list[Fact]], list[Fact]]:
    """Events by worker process in the order of its logical clock, and facts without such a clock."""
    observed: dict[tuple[str | None, int | None], list[Fact]] = defaultdict(list)
    told_later: list[Fact] = []
    for fact in facts:
        if fact.clock is None:
            told_later.append(fact)
        else:
            observed[fact.node, fact.pid].append(fact)
    for group in observed.values():
        group.sort(key=lambda fact: (fact.clock, fact.at, fact.key))
    told_later.sort(key=by_time)
    return observed, told_later


def _walk(group: Sequence[Fact], asked_for: Container[int | None]) -> list[Delivery]:
    """Cut one process's events into deliveries; `asked_for` are the attempts known to have been received."""
    found: list[Delivery] = []
    # A task that kills its worker may come back thousands of times: only what has not ended is searched.
    unended: list[Delivery] = []
    for fact in group:
        delivery = _place(fact, unended, asked_for, latest=found[-1] if found else None)
        if delivery is None:
            delivery = Delivery(fact.node, fact.pid, fact.retries or 0 if fact.type is EventType.RECEIVED else None)
            found.append(delivery)
            unended.append(delivery)
        delivery.facts.append(fact)
        delivery.is_started |= fact.type is EventType.STARTED
        if STATE_OF_FACT[fact.type] in ENDED:
            unended = [other for other in unended if other is not delivery]
    return found


def _place(
    fact: Fact, unended: Sequence[Delivery], asked_for: Container[int | None], *, latest: Delivery | None
) -> Delivery | None:
    """The delivery that an event belongs to; None for `received`, and where an unheard one is implied.

    A process may hold several at once: the message of a retry is often received, and sometimes finished,
    before the `retried` of the run that asked for it, since the pool's child publishes the message and
    the parent tells of it.
    """
    if fact.type is EventType.RECEIVED:
        return None
    waiting = [delivery for delivery in unended if not delivery.is_started]
    if fact.type is EventType.STARTED:
        return waiting[0] if waiting else None
    running = [delivery for delivery in unended if delivery.is_started]
    ends_in_retry = fact.type is EventType.RETRIED
    likely = [delivery for delivery in running if (_next(delivery) in asked_for) is ends_in_retry]
    if running or waiting:
        return (likely or running or waiting)[0]
    if latest and (latest.state is not AttemptState.RETRIED or fact.type is EventType.RETRIED):
        return latest  # one end told twice: a hard time limit fails a task twice, a rejection fails it too
    return None


def _next(delivery: Delivery) -> int:
    return (delivery.retries or 0) + 1


def _number_unnamed(found: Sequence[Delivery]) -> None:
    """Give deliveries whose `received` was missed the attempt that the retries before them imply."""
    retried = [(fact.at, delivery) for delivery in found for fact in delivery.facts if fact.type is EventType.RETRIED]
    unnamed = [delivery for delivery in found if delivery.retries is None]
    for delivery in sorted(unnamed, key=lambda delivery: by_time(delivery.facts[0])):
        begun = delivery.facts[0].at
        before = [other for at, other in retried if at <= begun and other is not delivery]
        delivery.retries = max((_next(other) for other in before if other.retries is not None), default=0)


def _attach(fact: Fact, found: list[Delivery]) -> None:
    """Put a fact without a clock where it belongs: the same attempt, best on the same process or node, the latest."""
    fits = [delivery for delivery in found if fact.retries is None or delivery.retries == fact.retries]
    on_node = [delivery for delivery in fits if fact.node is None or delivery.node == fact.node]
    in_process = [delivery for delivery in on_node if delivery.pid == fact.pid]
    candidates = in_process or on_node or (fits if fact.source == BACKEND else [])
    if candidates:
        max(candidates, key=_order).facts.append(fact)
    else:
        found.append(Delivery(fact.node, fact.pid, fact.retries or 0, [fact]))


def _order(delivery: Delivery) -> tuple[int, datetime, str, int, str]:
    """Attempts in their order; within one, deliveries by their first fact, ties broken by content."""
    first = min(delivery.facts, key=by_time)
    return (delivery.retries or 0, first.at, delivery.node or "", delivery.pid or 0, first.key)
