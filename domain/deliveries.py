"""Makes attempts of the facts of one task: which fact belongs to which delivery.

Celery names the attempt only in `received`; every other event must be attached. The rules below look
at the whole set of facts, never at the order of arrival, so any shuffle gives the same attempts.

One id may stand for several runs that are none of each other's attempts. A program may use it again another day: a run
that begins after the end is a new *story*, and the status of the task is that of the latest. And `self.replace()` lets
another task go on under the id: a new *generation* of the same story, whose message has another parent.
"""

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.facts import BACKEND, Fact, by_time
from domain.states import ATTEMPT_RANK, ENDED, AttemptState, EventType

STATE_OF_FACT = {
    EventType.RECEIVED: AttemptState.RECEIVED,
    EventType.STARTED: AttemptState.STARTED,
    EventType.ENDED: AttemptState.UNKNOWN,
    EventType.LOST: AttemptState.LOST,
    EventType.REJECTED: AttemptState.REJECTED,
    EventType.RETRIED: AttemptState.RETRIED,
    EventType.REVOKED: AttemptState.REVOKED,
    EventType.FAILED: AttemptState.FAILED,
    EventType.SUCCEEDED: AttemptState.SUCCEEDED,
}

OPEN = frozenset({AttemptState.RECEIVED, AttemptState.STARTED})
ENDS_A_STORY = frozenset({AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.REVOKED})
TOLD_TWICE = timedelta(minutes=1)
"""Celery tells one end twice within a second; an end that is told later than this is another's."""
AFTERWARDS = timedelta(minutes=1)
"""The time after an end from which what another node receives is no copy, and what the backend tells another end."""
CLOCKS_DIFFER = timedelta(hours=1)
"""What the backend tells of earlier than this before a run began is not that run's."""
STAMPED_LATE = timedelta(seconds=5)
"""An event bears the time when the worker's main process came to it, which may be after the end that a child stored."""
TELLS_OF_A_FACT = frozenset({EventType.LOST, EventType.ENDED})
"""What we conclude of an attempt bears the key of one of its facts."""


@dataclass(slots=True)
class Delivery:
    """One handing-over of a task to a worker process, with the facts that belong to it."""

    node: str | None
    pid: int | None
    retries: int | None
    facts: list[Fact] = field(default_factory=list)
    is_started: bool = False
    """Whether one of its process's events was `started`, while these are walked."""
    parent: str | None = None
    """The task that sent its message, if one did; another parent means another message."""
    story: int = 0
    generation: int = 0
    """How often another task had gone on under the id before it, within the story."""

    @property
    def state(self) -> AttemptState:
        """The highest state that any fact of it proves."""
        return max((STATE_OF_FACT[fact.type] for fact in self.facts), key=ATTEMPT_RANK.__getitem__)


def deliveries(facts: Iterable[Fact], *, reusable: bool = False) -> list[Delivery]:
    """All deliveries of a task, oldest attempt first, each with its `retries` known.

    `facts` are those of one task that concern a worker: with a node, or told by the result backend. `reusable`: the id
    is not ours, and others may use it again; of ours, what is received after the end is the same message once more.
    """
    observed, told_later = _split(facts)
    asked_for = {fact.retries for group in observed.values() for fact in group if fact.type is EventType.RECEIVED}
    all_deliveries = [delivery for group in observed.values() for delivery in _walk(group, asked_for)]
    _number_unnamed(all_deliveries)
    _attach_all(told_later, all_deliveries, reusable=reusable)
    if len(all_deliveries) > 1:
        _divide(all_deliveries, reusable=reusable)
        all_deliveries.sort(key=_order)
    return all_deliveries


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
    group_deliveries: list[Delivery] = []
    # A task that kills its worker may come back thousands of times: only what has not ended is searched.
    unended: list[Delivery] = []
    for fact in group:
        delivery = _place(fact, unended, asked_for=asked_for, latest=group_deliveries[-1] if group_deliveries else None)
        if delivery is None:
            delivery = _begin(fact)
            group_deliveries.append(delivery)
            unended.append(delivery)
        delivery.facts.append(fact)
        delivery.is_started |= fact.type is EventType.STARTED
        if STATE_OF_FACT[fact.type] in ENDED:
            unended = [other for other in unended if other is not delivery]
    return group_deliveries


def _begin(fact: Fact) -> Delivery:
    """The delivery that begins with this event."""
    if fact.type is not EventType.RECEIVED:
        return Delivery(fact.node, fact.pid, None)
    parent = fact.details.get("parent_id")
    return Delivery(fact.node, fact.pid, fact.retries or 0, parent=parent if isinstance(parent, str) else None)


def _place(
    fact: Fact, unended: Sequence[Delivery], *, asked_for: Container[int | None], latest: Delivery | None
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
        return _not_replaced(likely or running or waiting)
    if latest and abs(fact.at - latest.facts[-1].at) > TOLD_TWICE:
        return None
    if latest and (latest.state is not AttemptState.RETRIED or fact.type is EventType.RETRIED):
        return latest  # one end told twice: a hard time limit fails a task twice, a rejection fails it too
    return None


def _not_replaced(ended: Sequence[Delivery]) -> Delivery:
    """Return the first of these that has no successor among them: who is replaced ends without a word."""
    if len(ended) == 1:
        return ended[0]
    own = ended[0].facts[0].task_id
    return next(
        delivery
        for nth, delivery in enumerate(ended)
        if not any(_replaces(other, delivery, own=own) for other in ended[nth + 1 :])
    )


def _replaces(later: Delivery, earlier: Delivery, *, own: str) -> bool:
    """Whether the message of `later` is that of another task under the same id, not of a retry or the same once more.

    Whoever replaces himself is the parent of his successor; of one that is replaced by a chain or a group the parent is
    the last before it.
    """
    if later.parent is None or (later.retries or 0) > (earlier.retries or 0):
        return False
    return later.parent == own or later.parent != earlier.parent


def _next(delivery: Delivery) -> int:
    return (delivery.retries or 0) + 1


def _number_unnamed(all_deliveries: Sequence[Delivery]) -> None:
    """Give deliveries whose `received` was missed the attempt that the retries before them imply."""
    unnamed = sorted((each for each in all_deliveries if each.retries is None), key=lambda each: by_time(each.facts[0]))
    if not unnamed:
        return
    retried = deque(sorted(_retried(all_deliveries), key=lambda pair: pair[0]))
    passed: list[Delivery] = []
    highest = 0
    for delivery in unnamed:
        while retried and retried[0][0] <= delivery.facts[0].at:
            passed.append(retried.popleft()[1])
        highest = max([highest, *(_next(other) for other in passed if other.retries is not None)])
        # A task may be retried thousands of times: each is looked at again only until it has its own number.
        passed = [other for other in passed if other.retries is None]
        delivery.retries = highest


def _retried(found: Iterable[Delivery]) -> Iterator[tuple[datetime, Delivery]]:
    """Each delivery that asked for a retry, and when."""
    return ((fact.at, delivery) for delivery in found for fact in delivery.facts if fact.type is EventType.RETRIED)


def _attach_all(told_later: Iterable[Fact], all_deliveries: list[Delivery], *, reusable: bool) -> None:
    owners: dict[str, Delivery] | None = None
    for fact in told_later:
        if fact.type in TELLS_OF_A_FACT:
            if owners is None:
                owners = {each.key: delivery for delivery in all_deliveries for each in delivery.facts}
            owner = owners.get(fact.key.partition(f"{fact.type}:")[2])
            if owner is not None:
                owner.facts.append(fact)
                continue
        _attach(fact, all_deliveries, reusable=reusable)


def _attach(fact: Fact, all_deliveries: list[Delivery], *, reusable: bool) -> None:
    """Put a fact without a clock where it belongs: the same attempt, best on the same process or node, the latest."""
    fits = [delivery for delivery in all_deliveries if fact.retries is None or delivery.retries == fact.retries]
    on_node = [delivery for delivery in fits if fact.node is None or delivery.node == fact.node]
    in_process = [delivery for delivery in on_node if delivery.pid == fact.pid]
    choices: Sequence[list[Delivery]] = (in_process, on_node, fits if fact.source == BACKEND else [])
    if reusable:
        # Of each apart: clocks of different processes may differ by more than what lies between two of their runs.
        choices = tuple(_at_the_time(fact, choice) for choice in choices)
    candidates = next(filter(None, choices), None)
    if candidates:
        max(candidates, key=_begun if reusable else _order).facts.append(fact)
    else:
        all_deliveries.append(Delivery(fact.node, fact.pid, fact.retries or 0, [fact]))


def _at_the_time(fact: Fact, fits: Sequence[Delivery]) -> list[Delivery]:
    """Return those that the fact may be about by its time: the backend may tell of the last use of the id."""
    begun = [delivery for delivery in fits if _begun(delivery)[0] <= fact.at + STAMPED_LATE]
    if not begun:
        return [delivery for delivery in fits if _begun(delivery)[0] - fact.at <= CLOCKS_DIFFER]
    if fact.type is not EventType.STARTED and fact.source != BACKEND:
        return begun
    if telling := [delivery for delivery in begun if _tells(delivery, fact)]:
        return telling
    return [delivery for delivery in begun if (over := _over_since(delivery)) is None or fact.at <= over + AFTERWARDS]


def _tells(delivery: Delivery, end: Fact) -> bool:
    """Whether an event told this very end; a backend keeps the first success, and has it of each later use too."""
    return any(fact.type is end.type and abs(fact.at - end.at) <= STAMPED_LATE for fact in delivery.facts)


@dataclass(slots=True)
class _Story:
    """One use of the id, as far as its deliveries have been walked."""

    number: int
    least_retries: int
    """The least retry number of the latest generation; `is_open`, too, speaks of that one."""
    generation: int = 0
    is_open: bool = False
    """Whether a copy of the message still runs, as far as was told."""
    over_since: datetime | None = None
    parents: set[str | None] = field(default_factory=set)
    nodes: set[str | None] = field(default_factory=set)

    def is_over_before(self, delivery: Delivery) -> bool:
        """Whether the delivery begins so long after the end that it is another use of the id.

        While a copy of the message still runs, whatever comes is another copy: brokers hand out again what takes long,
        and a broadcast reaches each node once. What has retries before it is older than they are, whatever the clocks
        say.
        """
        if self.over_since is None or self.is_open or delivery.retries or self.least_retries:
            return False
        margin = timedelta(0) if delivery.node in self.nodes else AFTERWARDS
        return _begun(delivery)[0] > self.over_since + margin

    def is_replaced_by(self, delivery: Delivery, own: str) -> bool:
        """Whether it is the message of another task that goes on under the id, and not one of this generation."""
        if delivery.parent is None or not self.parents or (delivery.retries or 0) > self.least_retries:
            return False
        return delivery.parent == own or delivery.parent not in self.parents

    def begin_generation(self, first: Delivery) -> None:
        """Another task goes on under the id, and this is its first message."""
        self.generation += 1
        self.least_retries, self.is_open = first.retries or 0, False

    def add(self, delivery: Delivery) -> None:
        """Give the delivery its place, and learn from it."""
        delivery.story, delivery.generation = self.number, self.generation
        self.least_retries = min(self.least_retries, delivery.retries or 0)
        self.is_open |= delivery.state in OPEN
        self.parents.add(delivery.parent)
        self.nodes.add(delivery.node)
        over = _over_since(delivery)
        if over is not None:
            self.over_since = max(self.over_since or over, over)


def _divide(all_deliveries: Sequence[Delivery], *, reusable: bool) -> None:
    """Tell stories and generations apart: give each delivery those that it belongs to."""
    own = all_deliveries[0].facts[0].task_id
    in_order = sorted(all_deliveries, key=_begun)
    story = _Story(number=0, least_retries=in_order[0].retries or 0)
    for delivery in in_order:
        if reusable and story.is_over_before(delivery):
            story = _Story(number=story.number + 1, least_retries=0)
        elif story.is_replaced_by(delivery, own):
            story.begin_generation(delivery)
        story.add(delivery)


def _over_since(delivery: Delivery) -> datetime | None:
    """When it ended so that nothing of it runs again by itself, as far as was told."""
    ends = [fact.at for fact in delivery.facts if STATE_OF_FACT[fact.type] in ENDS_A_STORY or is_final(fact)]
    return max(ends, default=None)


def is_final(fact: Fact) -> bool:
    """A loss with which the message is gone, so that nothing runs again by itself."""
    return fact.type is EventType.LOST and fact.details.get("final") is True


def _begun(delivery: Delivery) -> tuple[datetime, str]:
    """Sorts deliveries by their first fact."""
    return min(map(by_time, delivery.facts))


def _order(delivery: Delivery) -> tuple[int, int, int, datetime, str, int, str]:
    """Stories and attempts in their order; within one, deliveries by their first fact, ties broken by content."""
    at, key = _begun(delivery)
    node, pid = delivery.node or "", delivery.pid or 0
    return (delivery.story, delivery.generation, delivery.retries or 0, at, node, pid, key)
