"""Turns measurements into alerts: one condition for each type, and the step that raises and resolves.

Pure: `services/alerts.py` measures and stores, `loops/alerts.py` calls every few seconds. An alert belongs to a type
and a subject (a queue, a worker, a component ...; empty for the system as a whole) and is open at most once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.alerts.held import HeldWorker, drained_away, tell_held
from domain.alerts.rules import KINDS, AlertType, Rule, Severity
from domain.broker_options import OptionDifference
from domain.degradation import BROKER
from domain.sentences import some_of, span

SYSTEM = ""
"""The subject of an alert about the whole."""
MOST_OF_THEIR_OWN = 10
"""Silent workers that have an alert each."""
MOST_NAMED = 5
"""How many things one sentence names; the rest is counted."""

Key = tuple[AlertType, str]
Readings = Mapping[str, float]
"""Value by subject. A subject that is not there is well."""
Pending = Mapping[tuple[Key, bool], datetime]
"""The time since which a subject has been in breach (True) without an open alert, or well (False) with one."""

NOTHING: Readings = MappingProxyType({})
NOTHING_PENDING: Pending = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Parked:
    """Tasks of one queue that the broker refuses again and again: the first of them, why, and how many they are."""

    task_id: str
    reason: str
    tasks: int


@dataclass(frozen=True, slots=True)
class AlertInputs:
    """What one look found. Ages are in seconds; an absent queue, worker or name has none."""

    waiting: Mapping[str, int] | None = None
    """Messages in the broker by queue; None where it could not be asked."""
    due: Mapping[str, int] = field(default_factory=dict)
    """Tasks by queue that are due and not handed to the broker."""
    unserved: Collection[str] = frozenset()
    """Queues that surely no online worker consumes."""
    stopped: Collection[str] = frozenset()
    """Queues whose online consumers are all held back by people."""
    held: Collection[HeldWorker] = ()
    online_workers: int = 0
    silent_workers: Readings = field(default_factory=dict)
    vanished_workers: Readings = field(default_factory=dict)
    """How long a process is gone that said no goodbye and has a successor, by worker; no threshold applies."""
    without_events: Collection[str] = ()
    """Hostnames of online workers that send no events of their tasks."""
    failed: int = 0
    finished: int = 0
    """Completed and failed."""
    running: Readings = field(default_factory=dict)
    """The longest run beyond its own timeout, by task name."""
    not_picked_up: Readings = field(default_factory=dict)
    oldest_due: float | None = None
    refused: Readings = field(default_factory=dict)
    """The oldest task that the broker was offered and did not take, by queue."""
    parked: Mapping[str, Parked] = field(default_factory=dict)
    """The parked tasks, by queue."""
    vanished: Mapping[str, int] = field(default_factory=dict)
    """How many tasks are nowhere to be found and not sent again without proof, by queue."""
    missed: Readings = field(default_factory=dict)
    """How long the mirror was deaf, by source."""
    down: Readings = field(default_factory=dict)
    """How long it has not answered, by component."""
    settling: Collection[str] = frozenset()
    """Components that answer again, since so lately that what comes through them may be missing."""
    differing: Mapping[str, OptionDifference] | None = field(default_factory=dict)
    """What differs, by option; None where the broker could not be asked."""
    ended: Readings = field(default_factory=dict)
    """How long one that ended unasked is missed, by kind of process; no threshold applies."""
    failing_channels: Readings = field(default_factory=dict)
    """How long no message has come through, by the name of the channel."""
    failing_webhooks: Readings = field(default_factory=dict)
    """How long all has failed that was sent to a webhook, by its id."""
    open_hosts: Collection[str] | None = ()
    """Addresses that others reach, and on which the API asks nobody for a key; None where Redis could not be asked."""


def _queue_depths(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    if inputs.waiting is None:
        return None
    waiting, due = inputs.waiting, inputs.due
    return {queue: waiting.get(queue, 0) + due.get(queue, 0) for queue in {*waiting, *due}}


def _online_workers(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    # Heartbeats come through the broker: while that is down, silence says nothing about the workers.
    return {SYSTEM: inputs.online_workers} if _hears_workers(inputs) else None


def _hears_workers(inputs: AlertInputs) -> bool:
    return BROKER not in inputs.down and BROKER not in inputs.settling


def _silent_workers(inputs: AlertInputs, rule: Rule) -> Readings | None:
    """The first to fall silent have an alert each, the others one together: pods of a week ago are thousands."""
    if not _hears_workers(inputs):
        return None
    own, others = _split_silent(inputs, rule)
    vanished = dict(list(inputs.vanished_workers.items())[:MOST_OF_THEIR_OWN])
    return vanished | own | ({SYSTEM: max(others.values())} if others else {})


def _split_silent(inputs: AlertInputs, rule: Rule) -> tuple[dict[str, float], dict[str, float]]:
    silent = sorted(inputs.silent_workers.items(), key=lambda found: (-found[1], found[0]))
    own = dict(silent[:MOST_OF_THEIR_OWN])
    return own, {name: seconds for name, seconds in silent[MOST_OF_THEIR_OWN:] if seconds > rule.threshold}


def _without_events(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    return {SYSTEM: len(inputs.without_events)} if inputs.without_events else NOTHING


def _failure_rate(inputs: AlertInputs, rule: Rule) -> Readings | None:
    if inputs.finished < max(1, rule.minimum_tasks or 1):
        return NOTHING
    return {SYSTEM: 100 * inputs.failed / inputs.finished}


def _open_hosts(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    if inputs.open_hosts is None:
        return None
    return {SYSTEM: len(inputs.open_hosts)} if inputs.open_hosts else NOTHING


def _differing(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    return None if inputs.differing is None else {option: each.workers for option, each in inputs.differing.items()}


def _stalled(inputs: AlertInputs, _rule: Rule) -> Readings | None:
    return dict(inputs.refused) | ({} if inputs.oldest_due is None else {SYSTEM: inputs.oldest_due})


_READ: Mapping[AlertType, Callable[[AlertInputs, Rule], Readings | None]] = {
    AlertType.HIGH_QUEUE_DEPTH: _queue_depths,
    AlertType.NO_ACTIVE_WORKERS: _online_workers,
    AlertType.WORKER_OFFLINE: _silent_workers,
    AlertType.HIGH_FAILURE_RATE: _failure_rate,
    AlertType.STUCK_TASKS: lambda inputs, _: inputs.running,
    AlertType.TASKS_NOT_PICKED_UP: lambda inputs, _: inputs.not_picked_up,
    AlertType.DISPATCH_STALLED: _stalled,
    AlertType.EVENTS_MISSED: lambda inputs, _: inputs.missed,
    AlertType.BROKER_OPTIONS_DIFFER: _differing,
    AlertType.COMPONENT_DOWN: lambda inputs, _: {**inputs.ended, **inputs.down},
    AlertType.EVENTS_OFF: _without_events,
    AlertType.OPEN_ACCESS: _open_hosts,
    AlertType.NOTIFICATION_FAILING: lambda inputs, _: inputs.failing_channels,
    AlertType.WEBHOOK_FAILING: lambda inputs, _: inputs.failing_webhooks,
}
"""What each type is judged by; None while that cannot be known."""


@dataclass(frozen=True, slots=True)
class AlertFinding:
    """A condition that holds: to be raised, or open already and seen again."""

    key: Key
    value: float
    rule: Rule
    description: str
    lasted_seconds: float = 0.0
    """How long it has been so, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look comes to."""

    raised: tuple[AlertFinding, ...]
    still_open: tuple[AlertFinding, ...]
    """Open before and after, with the present value."""
    resolved: Mapping[Key, float]
    """What is over, with the seconds since it was first seen so."""
    pending: Pending
    """What the next look must be given."""


def judge_alerts(
    inputs: AlertInputs,
    rules: Mapping[AlertType, Rule],
    *,
    open_alerts: Collection[Key],
    pending: Pending,
    now: datetime,
) -> Judgement:
    """Which alerts to raise, to refresh and to resolve. What could not be measured leaves its alerts as they are."""
    raised: list[AlertFinding] = []
    still_open: list[AlertFinding] = []
    resolved: dict[Key, float] = {}
    waiting: dict[tuple[Key, bool], datetime] = {}
    for rule in rules.values():
        readings = _READ[rule.type](inputs, rule) if rule.enabled else NOTHING
        if readings is None:
            continue
        for key in _keys(rule.type, readings, open_alerts=open_alerts):
            value, is_open = readings.get(key[1]), key in open_alerts
            is_certain = value is not None and _is_certain(key, inputs)
            breached = is_certain or (value is not None and is_breached(rule, value, is_open=is_open))
            since = pending.get((key, breached), now)
            opens = is_certain or advance_alert(rule, is_open=is_open, breached=breached, since=since, now=now)
            if opens is not breached:
                waiting[key, breached] = since
            if is_open and not opens:
                resolved[key] = (now - since).total_seconds()
            if opens and value is not None:
                finding = AlertFinding(
                    key,
                    value,
                    _as_severe(rule, key[1], inputs=inputs),
                    describe_alert(rule, key[1], inputs=inputs),
                    value if KINDS[rule.type].is_age else (now - since).total_seconds(),
                )
                (still_open if is_open else raised).append(finding)
    return Judgement(tuple(raised), tuple(still_open), resolved, waiting)


def is_breached(rule: Rule, value: float, *, is_open: bool) -> bool:
    """Whether the value is beyond the threshold; for an open alert beyond the bound at which it resolves."""
    kind = KINDS[rule.type]
    if kind.raised_below:
        return value < rule.threshold
    return value > rule.threshold * (kind.resolve_fraction if is_open else 1)


def _is_certain(key: Key, inputs: AlertInputs) -> bool:
    """A process that has ended has not just been slow to answer."""
    ended = {AlertType.COMPONENT_DOWN: inputs.ended, AlertType.WORKER_OFFLINE: inputs.vanished_workers}
    return key[1] in ended.get(key[0], NOTHING)


def advance_alert(rule: Rule, *, is_open: bool, breached: bool, since: datetime, now: datetime) -> bool:
    """Whether the alert is open after this look, at which the condition has been as it is now `since` then."""
    if not rule.enabled or is_open is breached:
        return breached
    return breached if now - since >= _patience(rule, breached) else is_open


def seconds_to_next(
    rules: Mapping[AlertType, Rule], pending: Pending, *, down: Readings, now: datetime
) -> float | None:
    """Return the seconds until something is raised or resolved if all stays as it is; None if nothing is on its way."""
    waits = [
        (_patience(rules[alert_type], breached) - (now - since)).total_seconds()
        for ((alert_type, _), breached), since in pending.items()
    ]
    limit = rules[AlertType.COMPONENT_DOWN].threshold
    return min([*waits, *(limit - seconds for seconds in down.values() if seconds <= limit)], default=None)


def _patience(rule: Rule, breached: bool) -> timedelta:
    return timedelta(seconds=rule.for_seconds if breached else rule.resolve_after_seconds)


def _as_severe(rule: Rule, subject: str, *, inputs: AlertInputs) -> Rule:
    """What harms nobody else, as a parked task, is no more than a warning, and what somebody wanted a note."""
    severity = rule.severity
    if rule.type is AlertType.DISPATCH_STALLED and subject in inputs.parked and severity is Severity.CRITICAL:
        severity = Severity.WARNING
    if rule.type is AlertType.NO_ACTIVE_WORKERS and _drained(rule, inputs):
        severity = Severity.INFO
    return replace(rule, severity=severity)


def _drained(rule: Rule, inputs: AlertInputs) -> list[HeldWorker]:
    return drained_away(inputs.held, online=inputs.online_workers, wanted=rule.threshold)


def _keys(alert_type: AlertType, readings: Readings, *, open_alerts: Collection[Key]) -> list[Key]:
    measured = {(alert_type, subject) for subject in readings}
    return sorted(measured.union(key for key in open_alerts if key[0] is alert_type))


_DESCRIPTIONS = {
    AlertType.HIGH_QUEUE_DEPTH: "Depth of queue {subject} exceeded {rule.threshold:g}",
    AlertType.NO_ACTIVE_WORKERS: "Number of online workers fell below {rule.threshold:g}",
    AlertType.WORKER_OFFLINE: "Worker {subject} was silent{lasting} and had not said goodbye",
    AlertType.HIGH_FAILURE_RATE: "More than {rule.threshold:g} % of the tasks that finished within {window} failed",
    AlertType.STUCK_TASKS: "A task {subject} was running{lasting}",
    AlertType.TASKS_NOT_PICKED_UP: "A task in queue {subject} was not picked up{lasting}",
    AlertType.DISPATCH_STALLED: "A task that was due was not handed to the broker{lasting}",
    AlertType.EVENTS_MISSED: "Events of workers were missed{lasting} within the last {lately}",
    AlertType.BROKER_OPTIONS_DIFFER: "Workers use the broker by another {subject}",
    AlertType.COMPONENT_DOWN: "Component {subject} did not answer{lasting}",
    AlertType.EVENTS_OFF: "Workers run tasks and send no events of them",
    AlertType.WEBHOOK_FAILING: "All that was sent to webhook {subject} has failed{lasting}",
    AlertType.OPEN_ACCESS: "The API asks nobody for a key: all who reach it may do everything, on ",
    AlertType.NOTIFICATION_FAILING: "No notification came through channel {subject}{lasting}",
}


def describe_alert(rule: Rule, subject: str, *, inputs: AlertInputs) -> str:
    """One sentence for people: what was measured, not what is measured now, so that it stays true while open."""
    lasting, window = _lasting(rule), span(rule.window_seconds or 0)
    said = _DESCRIPTIONS[rule.type].format(
        rule=rule, subject=subject, lasting=lasting, window=window, lately=window.removeprefix("1 ")
    )
    if rule.type is AlertType.BROKER_OPTIONS_DIFFER and inputs.differing and subject in inputs.differing:
        return inputs.differing[subject].meaning
    if rule.type is AlertType.WORKER_OFFLINE and subject == SYSTEM:
        together = _split_silent(inputs, rule)[1]
        named = some_of(sorted(together), most=MOST_NAMED)
        return f"{len(together)} more workers were silent without a goodbye: {named}"
    if rule.type is AlertType.WORKER_OFFLINE and subject in inputs.vanished_workers:
        return f"Worker {subject} ended without a goodbye, and was started again"
    if rule.type is AlertType.NO_ACTIVE_WORKERS:
        return said + tell_held(_drained(rule, inputs))
    if rule.type is AlertType.EVENTS_OFF:
        named = some_of(sorted(inputs.without_events), most=MOST_NAMED)
        return f"{said}, so their tasks are seen late or not at all: {named}"
    if rule.type is AlertType.OPEN_ACCESS:
        return said + some_of(sorted(inputs.open_hosts or ()), most=MOST_NAMED)
    if rule.type is AlertType.TASKS_NOT_PICKED_UP:
        return said + _why_not_picked_up(subject, inputs)
    if rule.type is AlertType.DISPATCH_STALLED and subject in inputs.parked:
        parked = inputs.parked[subject]
        others = f", and {parked.tasks - 1} more of the queue" if parked.tasks > 1 else ""
        return f"Task {parked.task_id} for queue {subject} was refused again and again{others}: {parked.reason}"
    if rule.type is AlertType.COMPONENT_DOWN and subject in inputs.ended:
        return f"Process {subject} ended without being asked to"
    if rule.type is AlertType.DISPATCH_STALLED and subject:
        return f"The broker did not take a task for queue {subject}{lasting}"
    return said


def _lasting(rule: Rule) -> str:
    return f" for more than {span(rule.threshold)}" if rule.threshold > 0 else ""


def _why_not_picked_up(queue: str, inputs: AlertInputs) -> str:
    unserved = "; no online worker consumes it" if queue in inputs.unserved else ""
    if queue in inputs.stopped:
        unserved = "; who consumes it is held back"
    if unserved:
        unserved += tell_held([worker for worker in inputs.held if queue in worker.queues])
    if not inputs.vanished.get(queue):
        return unserved
    return f"{unserved}; {inputs.vanished[queue]} in no queue and with no known worker: run unseen, or lost"
