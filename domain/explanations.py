"""Why a task is not running: what stands on its way is looked at one by one, in the order in which a task comes by.

`explain` judges evidence that somebody else has gathered. What nobody knows is said to be unknown, never well.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.adoption import how_to_consume
from domain.degradation import BROKER, Mark, Marks, holders_of, work_of
from domain.explained_workers import Absence, QueueWorker
from domain.sentences import about, duration, plural, some_of
from domain.states import TERMINAL, Phase, Status
from domain.submissions import due_at

MOST_NAMED = 3
RESUME = "Resume one: POST /workers/{worker_id}/resume."
BLIND_SECONDS = 15.0
"""How long nobody may be heard until what is shown may be behind: nodes tell of themselves every 2 s."""


class CheckState(StrEnum):
    """How something on a task's way stands."""

    OK = "ok"
    BLOCKS = "blocks"
    UNKNOWN = "unknown"


Fact = str | int | float | bool | None
Evidence = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing on a task's way."""

    name: str
    state: CheckState
    detail: str
    """What is so, in a sentence."""
    evidence: Evidence = field(default_factory=dict)
    action: str | None = None
    """What mends it, in a sentence; None where nothing need be done, or nothing can."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task is where it is."""

    status: str
    """The status of the task when it was looked at: of another one this says nothing."""
    verdict: str
    since: datetime | None
    """The time since when that is so, as far as it is known."""
    checks: Sequence[Check]


@dataclass(frozen=True, slots=True)
class Undispatched:
    """What the outbox says of a task."""

    due_at: datetime
    refusals: int
    refusal: str | None
    parked_at: datetime | None
    postponed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known of a task and of what lies on its way."""

    now: datetime
    status: str
    phase: str
    task_name: str | None
    queue_name: str | None
    created_at: datetime
    scheduled_at: datetime | None
    dispatched_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    hostname: str | None
    """The worker that has or had it."""
    submitted_here: bool
    undispatched: Undispatched | None
    marks: Marks
    failing: Collection[str]
    """Components whose breaker is open."""
    waiting: int | None
    """How many messages wait in its queue; None where that is not told."""
    broker_answers: bool | None
    """Whether the broker answers; None where it was not asked, for whoever wants to know sees only some of its tasks.
    """
    sent_before: int | None
    """How many tasks of ours were handed to the queue before it and wait; None where that is not told."""
    workers: Sequence[QueueWorker]
    takers: Sequence[str]
    """Nodes of ours that know the task and could be told to consume its queue, which nobody does."""
    adopts: bool
    """Whether they are told by themselves."""
    heard_seconds_ago: float | None
    """Seconds since any node was heard; None where none is online."""
    had_gap: bool
    """Whether the mirror could not hear at some time since the task was handed over."""
    absence: Absence | None = None
    """That the worker which runs it is gone; None where that is heard, or nothing runs."""


def explain(situation: Situation) -> Explanation:
    """Return why the task is not running, and what was looked at."""
    if situation.status in TERMINAL:
        return Explanation(situation.status, f"It has ended: {situation.status}.", situation.completed_at, ())
    if situation.status == Status.RUNNING:
        where = f" on {situation.hostname}" if situation.hostname else ""
        gone = tuple(_runner(situation))
        verdict = gone[0].detail if gone else f"It is running{where}."
        return Explanation(situation.status, verdict, situation.started_at, (*gone, *_hearing(situation)))
    checks = tuple(check for look in _LOOKS for check in look(situation))
    blocking = [check for check in checks if check.state is CheckState.BLOCKS]
    unknown = [check for check in checks if check.state is CheckState.UNKNOWN]
    first = next(iter((*blocking, *unknown)), None)
    if first is not None:
        return Explanation(situation.status, first.detail, first.since, checks)
    since = situation.dispatched_at or situation.created_at
    return Explanation(situation.status, _nothing_in_the_way(situation), since, checks)


def _nothing_in_the_way(situation: Situation) -> str:
    if situation.phase == Phase.RESERVED:
        return f"{situation.hostname or 'A worker'} has fetched it and will start it next."
    if situation.waiting:
        waits = plural(situation.waiting, "waits", many="wait")
        return f"Nothing is in its way: {waits} in its queue, itself among them."
    return "Nothing is in its way: it should start within a moment."


def _runner(situation: Situation) -> Iterator[Check]:
    if situation.absence is not None:
        name, heard_at = situation.hostname or "Its worker", situation.absence.heard_at
        yield Check("runner", CheckState.BLOCKS, situation.absence.sentence_of(name), since=heard_at)


def _cancel(situation: Situation) -> Iterator[Check]:
    at = situation.cancel_requested_at
    if at is not None:
        detail = "Somebody has asked for it to be cancelled, so no worker that is known to ask will start it."
        yield Check("cancel", CheckState.BLOCKS, detail, since=at)


def _due(situation: Situation) -> Iterator[Check]:
    due = due_at(situation.created_at, situation.scheduled_at)
    if due > situation.now:
        seconds = round((due - situation.now).total_seconds(), 1)
        detail = f"It is not due yet: in {duration(seconds)}."
        yield Check("due", CheckState.BLOCKS, detail, {"due_in_seconds": seconds}, since=situation.created_at)
    elif situation.phase == Phase.RETRYING:
        detail = "It has failed and is tried again when the pause is over that the task has asked for."
        yield Check("due", CheckState.UNKNOWN, detail, {"worker": situation.hostname}, since=situation.started_at)
    else:
        yield Check("due", CheckState.OK, "It is due.", since=due)


def _marks(situation: Situation) -> Iterator[Check]:
    marks = sorted(_holding(situation), key=lambda mark: mark.service_name)
    if not marks:
        yield Check("marks", CheckState.OK, "No mark holds it back.")
    for mark in marks:
        signature = mark.signature
        evidence: Evidence = {
            "service_name": mark.service_name,
            "until": mark.until.isoformat() if mark.until else None,
            "set_by": signature.by if signature else None,
            "set_by_name": signature.name if signature else None,
            "reason": signature.reason if signature else None,
        }
        since = signature.at if signature else None
        detail = _held_back(mark, situation.now)
        yield Check("marks", CheckState.BLOCKS, detail, evidence, _release_of(mark), since)


def _held_back(mark: Mark, now: datetime) -> str:
    """Return who is held back and for how long yet. No time of day: only the reader knows in which zone."""
    if mark.until is None:
        return f"Held back: all tasks are, by the breaker of {mark.service_name}, until that answers again."
    who = work_of(mark.service_name) or f"all tasks are, by a mark of {mark.service_name}"
    by = f" by {mark.signature.name}" if mark.signature and mark.signature.name else ""
    why = f" The reason given: “{mark.signature.reason}”." if mark.signature and mark.signature.reason else ""
    return f"Held back{by}: {who}, for {about((mark.until - now).total_seconds())} more.{why}"


def _release_of(mark: Mark) -> str | None:
    """Return how its work is let go; None for a breaker's mark, which nobody can clear."""
    if mark.until is None:
        return None
    body = json.dumps({"service_name": mark.service_name}, ensure_ascii=False)
    return f"Let it go again: POST /resilience/degradation/clear {body}"


def _holding(situation: Situation) -> Iterator[Mark]:
    """What holds it back; nothing of what the broker already has."""
    if situation.undispatched:
        for name in holders_of(situation.queue_name or "", situation.task_name or "", marks=situation.marks):
            yield situation.marks[name]


def _outbox(situation: Situation) -> Iterator[Check]:
    row, handed = situation.undispatched, situation.dispatched_at
    if row is None:
        who = "It was handed to the broker." if situation.submitted_here else "Another program has sent it."
        yield Check("outbox", CheckState.OK, who, since=handed)
    elif row.refusal is not None and row.refusals > 0:
        parked = "parked: it is offered again every 5 minutes" if row.parked_at else "offered again within seconds"
        detail = f"The broker does not take it ({row.refusal}); it is {parked}."
        evidence: Evidence = {"refusals": row.refusals, "refusal": row.refusal}
        action = "Mend what the broker says, or replay it to another queue."
        yield Check("outbox", CheckState.BLOCKS, detail, evidence, action, row.parked_at)
    elif row.due_at > situation.now:
        return
    elif BROKER in situation.failing or any(_holding(situation)):
        detail = "It is kept, and goes to the broker once nothing holds it back."
        evidence = {"postponed": row.postponed_at is not None}
        yield Check("outbox", CheckState.OK, detail, evidence, since=row.due_at)
    else:
        detail = "It is due and has not been handed to the broker."
        action = "Look whether `celeriac loops` runs."
        evidence = {"postponed": row.postponed_at is not None}
        yield Check("outbox", CheckState.BLOCKS, detail, evidence, action, row.due_at)


def _breaker(situation: Situation) -> Iterator[Check]:
    if BROKER not in situation.failing:
        yield Check("breaker", CheckState.OK, "The broker takes what it is given: nothing is kept from it.")
        return
    detail = "The broker has failed for seconds: nothing is handed to it until it answers."
    action = "Look at the broker; whatever was accepted is kept and goes out by itself."
    yield Check("breaker", CheckState.BLOCKS if situation.undispatched else CheckState.UNKNOWN, detail, {}, action)


def _broker(situation: Situation) -> Iterator[Check]:
    if situation.broker_answers is None:
        return
    if situation.broker_answers:
        yield Check("broker", CheckState.OK, "The broker answers.")
    else:
        detail = "The broker does not answer, so nobody can tell what waits there."
        yield Check("broker", CheckState.UNKNOWN, detail, {}, "Look at the broker.")


def _queue(situation: Situation) -> Iterator[Check]:
    if situation.phase != Phase.QUEUED or situation.waiting is None:
        return
    evidence = {"queue_name": situation.queue_name, "waiting": situation.waiting, "sent_before": situation.sent_before}
    before = ""
    if situation.sent_before is not None:
        before = f", {plural(situation.sent_before, 'was', many='were')} sent before it"
    detail = f"{plural(situation.waiting, 'waits', many='wait')} in {situation.queue_name}{before}."
    yield Check("queue", CheckState.OK, detail, evidence, since=situation.dispatched_at)


def _fetched(situation: Situation) -> Iterator[Check]:
    if situation.phase != Phase.RESERVED:
        return
    name = situation.hostname or "A worker"
    worker = next((worker for worker in situation.workers if worker.hostname == situation.hostname), None)
    if worker is None:
        yield Check("fetched", CheckState.UNKNOWN, f"{name} has fetched it; no more is known of that worker.")
    elif not worker.online:
        detail = f"{name} had fetched it and is away; it is put back once that worker is proven to be dead."
        yield Check("fetched", CheckState.BLOCKS, detail, since=worker.heard_at)
    elif worker.held:
        detail = f"{name} has fetched it and is {worker.held}."
        yield Check("fetched", CheckState.BLOCKS, detail, {}, RESUME)
    elif worker.capacity is not None and worker.running >= worker.capacity:
        detail = f"{name} has fetched it and is busy: {worker.running} of {worker.capacity} run."
        yield Check("fetched", CheckState.BLOCKS, detail, {"running": worker.running, "capacity": worker.capacity})
    else:
        yield Check("fetched", CheckState.OK, f"{name} has fetched it.")


def _consumers(situation: Situation) -> Iterator[Check]:
    online = _online(situation)
    if not _waits_for_workers(situation):
        return
    if situation.queue_name is None:
        yield Check("consumers", CheckState.UNKNOWN, "Celery's events do not tell in which queue it is.")
        return
    if online:
        detail = f"{_named(online)} {'consumes' if len(online) == 1 else 'consume'} {situation.queue_name}."
        yield Check("consumers", CheckState.OK, detail, {"online": len(online)})
        return
    left = max((worker.heard_at for worker in situation.workers if worker.heard_at), default=None)
    gone = f"; {_named(situation.workers)} did" if situation.workers else ""
    detail = f"No worker that is online consumes {situation.queue_name}{gone}."
    action = how_to_consume(situation.queue_name, takers=situation.takers, adopts=situation.adopts)
    yield Check("consumers", CheckState.BLOCKS, detail, {"online": 0}, action, left)


def _registered(situation: Situation) -> Iterator[Check]:
    online = _online(situation)
    if not online or not _waits_for_workers(situation):
        return
    without = [worker for worker in online if worker.knows_task is False]
    if len(without) == len(online):
        detail = f"No worker of its queue knows {situation.task_name}: Celery would throw it away."
        action = "Import the task where the workers of this queue start, or replay it to another queue."
        yield Check("registered", CheckState.BLOCKS, detail, {"without": len(without)}, action)
    elif without:
        detail = f"{_named(without)} would throw it away: {situation.task_name} is not registered there."
        yield Check("registered", CheckState.UNKNOWN, detail, {"without": len(without)})
    elif any(worker.knows_task is None for worker in online):
        yield Check("registered", CheckState.UNKNOWN, "Not every worker of its queue has said what it knows.")
    else:
        yield Check("registered", CheckState.OK, f"The workers of its queue know {situation.task_name}.")


def _held(situation: Situation) -> Iterator[Check]:
    online = _online(situation)
    held = [worker for worker in online if worker.held]
    if not online or not _waits_for_workers(situation):
        return
    if len(held) == len(online):
        kinds = " and ".join(sorted({worker.held for worker in held if worker.held}))
        detail = f"Every worker of its queue is {kinds}: {_named(held)}."
        yield Check("held", CheckState.BLOCKS, detail, {"held": len(held)}, RESUME)
    else:
        yield Check("held", CheckState.OK, f"{len(online) - len(held)} of {plural(len(online), 'worker')} take tasks.")


def _capacity(situation: Situation) -> Iterator[Check]:
    taking = [worker for worker in _online(situation) if not worker.held]
    if not taking or not _waits_for_workers(situation):
        return
    if any(worker.capacity is None for worker in taking):
        yield Check("capacity", CheckState.UNKNOWN, "Not every worker of its queue has said how many it runs at once.")
        return
    capacity = sum(worker.capacity or 0 for worker in taking)
    running = sum(worker.running for worker in taking)
    evidence = {"running": running, "capacity": capacity}
    if all(worker.running >= (worker.capacity or 0) for worker in taking):
        detail = f"Every worker of its queue is busy: {running} of {capacity} run."
        action = "Wait, or add workers: PATCH /workers/{id}/capacity."
        yield Check("capacity", CheckState.BLOCKS, detail, evidence, action)
    else:
        yield Check("capacity", CheckState.OK, f"{running} of {capacity} run.", evidence)


def _hearing(situation: Situation) -> Iterator[Check]:
    ago = situation.heard_seconds_ago
    if ago is not None and ago > BLIND_SECONDS:
        detail = f"No worker was heard for {ago:,.0f} s: what is shown may be behind."
        action = "Look whether `celeriac mirror` runs."
        yield Check("mirror", CheckState.UNKNOWN, detail, {"heard_seconds_ago": round(ago, 1)}, action)
    elif situation.had_gap:
        detail = "There was a time when the mirror could not hear: it may have started or ended then."
        yield Check("mirror", CheckState.UNKNOWN, detail, {"gap": True})
    else:
        yield Check("mirror", CheckState.OK, "The mirror hears the workers.", {"heard_seconds_ago": ago})


_LOOKS = (
    _cancel,
    _due,
    _marks,
    _outbox,
    _breaker,
    _broker,
    _queue,
    _fetched,
    _consumers,
    _registered,
    _held,
    _capacity,
    _hearing,
)


def _online(situation: Situation) -> list[QueueWorker]:
    return [worker for worker in situation.workers if worker.online]


def _waits_for_workers(situation: Situation) -> bool:
    """Whether any worker of its queue may still take it."""
    return situation.phase in (Phase.SCHEDULED, Phase.DISPATCHING, Phase.QUEUED)


def _named(workers: Sequence[QueueWorker]) -> str:
    return some_of([worker.hostname for worker in workers], most=MOST_NAMED)
