"""`fold`: all facts of a task -> its attempts and its state.

The state is a function of the *set* of facts. So events may come shuffled, twice or late, from one
mirror or from several, and the rows come out the same; tests/property proves it. Nothing here looks
at a clock or at what the row said before.

The rule for late facts: a success, once proven, stays and wins over any other end. Other ends yield
only to a success or to the end of a later attempt. All this within a story: of an id that others use
again the latest run tells the state (`domain/deliveries.py`). An end of which nobody told how it was
is none as soon as anything else is heard.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.cancels import StopSignal, strongest_signal
from domain.deliveries import OPEN, STATE_OF_FACT, Delivery, deliveries, is_final
from domain.facts import BACKEND, PUBLISHER, TOLD_LATER, Fact, by_time, dispatch_number, distinct
from domain.runs import run_of
from domain.states import (
    ATTEMPT_RANK,
    ENDED,
    PHASE_OF_ATTEMPT,
    STATUS_OF_ATTEMPT,
    AttemptState,
    EventType,
    Outcome,
    Phase,
    Status,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery of the task to a worker, and how it went."""

    number: int
    """1-n over the whole task."""
    retries: int
    """Celery's count: 0 is the first run, 1 the first retry."""
    delivery: int
    """1-n within the same `retries`; above 1 it is a redelivery."""
    story: int
    """0-n: which use of the id it belongs to."""
    state: AttemptState
    node: str | None
    pid: int | None
    received_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    runtime_seconds: float | None
    exception: str | None
    traceback: str | None
    facts: tuple[Fact, ...]

    @property
    def proves(self) -> Status | None:
        """The end of the task that this attempt proves, if any; a lost one does where nothing is left to run again."""
        return STATUS_OF_ATTEMPT.get(self.state) or (Status.FAILED if any(map(is_final, self.facts)) else None)


@dataclass(frozen=True, slots=True)
class TaskState:
    """What the facts say about a task."""

    status: Status
    phase: Phase
    attempts: tuple[Attempt, ...]
    retry_count: int
    node: str | None
    started_at: datetime | None
    """Start of the run that decided the status, else of the latest run."""
    first_started_at: datetime | None
    completed_at: datetime | None
    exception: str | None
    traceback: str | None
    cancel_requested_at: datetime | None
    cancel_signal: StopSignal | None
    """What a cancel is repeated with; None where none was asked for."""
    dispatched_at: datetime | None
    reconstructed: bool
    """Whether a start or an end is known only because we asked, not from an event."""
    outcome: Outcome | None
    """Set where the status says that it is over, and nobody told how."""
    story: int
    """Which use of the id this is about; 0 is the first."""
    renewed_at: datetime | None
    """When this story began, of any but the first."""
    last_use_ended_at: datetime | None
    """When the stories before it had ended."""

    @property
    def leaves_result(self) -> bool:
        """Whether a worker has stored how it ended: not one that died of it."""
        stores = LEAVES_RESULT.get(self.status)
        return any(attempt.state is stores for attempt in self.attempts)

    @property
    def duration_seconds(self) -> float | None:
        """Start to end of the run that decided: the runtime that its worker measured, where it told one."""
        if self.started_at is None or self.completed_at is None or self.outcome is Outcome.UNKNOWN:
            return None
        return max(0.0, (self.completed_at - self.started_at).total_seconds())


OF_A_CANCEL = (EventType.REVOKED, EventType.CANCEL_REQUESTED)
LEAVES_RESULT = {Status.COMPLETED: AttemptState.SUCCEEDED, Status.FAILED: AttemptState.FAILED}


def fold(facts: Iterable[Fact]) -> TaskState:
    """The state that these facts of one task prove; duplicates and order do not matter."""
    distinct_facts = distinct(facts)
    ours = [fact for fact in distinct_facts if not _concerns_worker(fact)]
    reusable = not any(fact.type is EventType.SUBMITTED and fact.source != PUBLISHER for fact in ours)
    all_attempts = _attempts(deliveries((fact for fact in distinct_facts if _concerns_worker(fact)), reusable=reusable))
    attempts, renewed_at = _latest_story(all_attempts)
    deciding = _deciding(attempts)
    if reusable:
        ours = _of_story(ours, attempts, renewed_at=renewed_at)
    withdrawn = _first(ours, EventType.REVOKED)
    status, phase = _status_and_phase(ours, attempts, deciding=deciding, withdrawn=withdrawn)
    attempt_shown = deciding or _latest_started(attempts)
    last = deciding or (attempts[-1] if attempts else None)
    return TaskState(
        status=status,
        phase=phase,
        attempts=all_attempts,
        retry_count=max((attempt.retries for attempt in attempts), default=0),
        node=last.node if last else None,
        started_at=attempt_shown.started_at if attempt_shown else None,
        first_started_at=min((a.started_at for a in all_attempts if a.started_at), default=None),
        completed_at=_completed_at(phase, deciding, withdrawn=withdrawn),
        exception=last.exception if last else None,
        traceback=last.traceback if last else None,
        cancel_requested_at=_at(_first(ours, EventType.CANCEL_REQUESTED)),
        cancel_signal=strongest_signal(ours),
        dispatched_at=_at(_first(ours, EventType.DISPATCHED)),
        reconstructed=any(reconstructed_facts(attempt.facts) for attempt in all_attempts),
        outcome=Outcome.UNKNOWN if deciding and deciding.state is AttemptState.UNKNOWN else None,
        story=attempts[-1].story if attempts else 0,
        renewed_at=renewed_at,
        last_use_ended_at=_ended_before(attempts[0].story, all_attempts) if renewed_at else None,
    )


def _ended_before(story: int, attempts: Sequence[Attempt]) -> datetime | None:
    return max((each.finished_at for each in attempts if each.finished_at and each.story < story), default=None)


def _latest_story(attempts: tuple[Attempt, ...]) -> tuple[tuple[Attempt, ...], datetime | None]:
    """The attempts of the latest use of the id, and when that began; None for the first."""
    if not attempts or not attempts[-1].story:
        return attempts, None
    latest = tuple(attempt for attempt in attempts if attempt.story == attempts[-1].story)
    return latest, min(attempt.facts[0].at for attempt in latest)


def _of_story(ours: list[Fact], attempts: Sequence[Attempt], *, renewed_at: datetime | None) -> list[Fact]:
    """Return the facts without wishes to cancel, and what came of them, of which what runs now knows nothing.

    What was withdrawn may still be received, and be refused then; what starts after it is another.
    """
    if not any(fact.type in OF_A_CANCEL for fact in ours):
        return ours
    started = max((attempt.started_at for attempt in attempts if attempt.started_at), default=None)
    past = [fact.at for fact in ours if fact.type is EventType.REVOKED and started and fact.at < started]
    limit = max((*past, *((renewed_at,) if renewed_at else ())), default=None)
    if limit is None:
        return ours
    return [fact for fact in ours if fact.type not in OF_A_CANCEL or fact.at > limit]


def reconstructed_facts(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts of one attempt that were only found out by asking, and that no event of a worker told."""
    heard = {fact.type for fact in facts if fact.source not in TOLD_LATER}
    return [fact for fact in facts if fact.source in TOLD_LATER and fact.type not in heard]


def _concerns_worker(fact: Fact) -> bool:
    return fact.type in STATE_OF_FACT and (fact.node is not None or fact.source == BACKEND)


def _first(facts: Sequence[Fact], event_type: EventType) -> Fact | None:
    return next((fact for fact in facts if fact.type is event_type), None)


def _at(fact: Fact | None) -> datetime | None:
    return fact.at if fact else None


def _attempts(all_deliveries: Sequence[Delivery]) -> tuple[Attempt, ...]:
    latest = {delivery.story: (delivery.generation, delivery.retries or 0) for delivery in all_deliveries}
    attempts: list[Attempt] = []
    delivered: Counter[tuple[int, int]] = Counter()
    for number, delivery in enumerate(all_deliveries, start=1):
        own = (delivery.story, delivery.retries or 0)
        delivered[own] += 1
        attempts.append(_attempt(delivery, number=number, nth=delivered[own], latest=latest[delivery.story]))
    return tuple(attempts)


def _attempt(delivery: Delivery, *, number: int, nth: int, latest: tuple[int, int]) -> Attempt:
    """`latest`: generation and retries of the last delivery of its story."""
    facts = tuple(sorted(delivery.facts, key=by_time))
    state = delivery.state
    if state not in ENDED or state is AttemptState.UNKNOWN:
        if delivery.generation < latest[0]:
            state = AttemptState.REPLACED
        elif (delivery.retries or 0) < latest[1]:
            # Celery numbers an attempt n+1 only after attempt n asked for a retry: that event was missed.
            state = AttemptState.RETRIED
    run = run_of(facts, state)
    return Attempt(
        number=number,
        retries=delivery.retries or 0,
        delivery=nth,
        story=delivery.story,
        state=state,
        node=delivery.node or next((fact.node for fact in facts if fact.node), None),
        pid=delivery.pid,
        received_at=run.received_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        runtime_seconds=run.runtime_seconds,
        exception=_text(facts, "exception", state=state),
        traceback=_text(facts, "traceback", state=state),
        facts=facts,
    )


def _text(facts: Sequence[Fact], name: str, *, state: AttemptState) -> str | None:
    """The detail as the deciding kind of fact tells it; the backend knows it better than an event's repr."""
    tellers = [fact for fact in facts if STATE_OF_FACT[fact.type] is state and fact.details.get(name)]
    best = next((fact for fact in tellers if fact.source == BACKEND), tellers[0] if tellers else None)
    return str(best.details[name]) if best else None


def _deciding(attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt that ended the task: the first to succeed, else the last that failed, was revoked or finally lost.

    While another copy is with a worker, one that died with its own is not the end of the task. One of which nothing was
    told is its end only if it is the last.
    """
    for attempt in attempts:
        if attempt.state is AttemptState.SUCCEEDED:
            return attempt
    is_open = any(attempt.state in OPEN for attempt in attempts)
    last = next((attempt for attempt in reversed(attempts) if attempt.state is not AttemptState.REPLACED), None)
    for attempt in reversed(attempts):
        weak = is_open if attempt.state is AttemptState.LOST else attempt.state is AttemptState.UNKNOWN
        if attempt.proves and not weak:
            return attempt
    return last if last and last.state is AttemptState.UNKNOWN and not is_open else None


def _status_and_phase(
    ours: Sequence[Fact], attempts: Sequence[Attempt], *, deciding: Attempt | None, withdrawn: Fact | None
) -> tuple[Status, Phase]:
    if deciding and deciding.proves:
        return deciding.proves, Phase.FINISHED
    if withdrawn:
        return Status.CANCELLED, Phase.FINISHED
    phase = _phase_of_attempts(attempts) if attempts else _phase_before_attempts(ours)
    return (Status.RUNNING if phase is Phase.RUNNING else Status.PENDING), phase


def _phase_of_attempts(attempts: Sequence[Attempt]) -> Phase:
    """Return the phase of the newest retry's delivery that came furthest: of those open, else of those that ended.

    Not the last one: deliveries of one attempt to several nodes are ordered by clocks that may be off.
    """
    last = attempts[-1]
    newest = [each for each in attempts if each.retries == last.retries and each.state is not AttemptState.REPLACED]
    for state in (AttemptState.STARTED, AttemptState.RECEIVED):
        if any(attempt.state is state for attempt in newest):
            return PHASE_OF_ATTEMPT[state]
    return PHASE_OF_ATTEMPT[max((attempt.state for attempt in newest), key=ATTEMPT_RANK.__getitem__)]


def _phase_before_attempts(ours: Sequence[Fact]) -> Phase:
    dispatched = _highest_dispatch(ours, EventType.DISPATCHED)
    if dispatched > _highest_dispatch(ours, EventType.LOST):
        return Phase.QUEUED
    submitted = _first(ours, EventType.SUBMITTED)
    if submitted is None or submitted.source == PUBLISHER:
        return Phase.QUEUED
    return Phase.SCHEDULED if submitted.details.get("scheduled") and not dispatched else Phase.DISPATCHING


def _highest_dispatch(facts: Sequence[Fact], event_type: EventType) -> int:
    return max((dispatch_number(fact) for fact in facts if fact.type is event_type), default=0)


def _latest_started(attempts: Sequence[Attempt]) -> Attempt | None:
    return next((attempt for attempt in reversed(attempts) if attempt.started_at), None)


def _completed_at(phase: Phase, deciding: Attempt | None, *, withdrawn: Fact | None) -> datetime | None:
    if phase is not Phase.FINISHED:
        return None
    return deciding.finished_at if deciding else _at(withdrawn)
