"""When something is wrong enough to say so: the types of alert, their default rules, and what a rule may say.

What is measured and how a condition turns into an alert is in `conditions.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from domain.workers.status import SILENCE


class AlertType(StrEnum):
    """What an alert is about (docs/rest-contract.md, section 6)."""

    HIGH_QUEUE_DEPTH = "HIGH_QUEUE_DEPTH"
    NO_ACTIVE_WORKERS = "NO_ACTIVE_WORKERS"
    WORKER_OFFLINE = "WORKER_OFFLINE"
    HIGH_FAILURE_RATE = "HIGH_FAILURE_RATE"
    STUCK_TASKS = "STUCK_TASKS"
    TASKS_NOT_PICKED_UP = "TASKS_NOT_PICKED_UP"
    DISPATCH_STALLED = "DISPATCH_STALLED"
    EVENTS_MISSED = "EVENTS_MISSED"
    COMPONENT_DOWN = "COMPONENT_DOWN"
    BROKER_OPTIONS_DIFFER = "BROKER_OPTIONS_DIFFER"
    EVENTS_OFF = "EVENTS_OFF"
    OPEN_ACCESS = "OPEN_ACCESS"
    NOTIFICATION_FAILING = "NOTIFICATION_FAILING"
    WEBHOOK_FAILING = "WEBHOOK_FAILING"


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Unit(StrEnum):
    """What a type's values and thresholds count."""

    TASKS = "tasks"
    WORKERS = "workers"
    PERCENT = "percent"
    SECONDS = "seconds"
    ADDRESSES = "addresses"


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alert of one type is raised and resolved."""

    type: AlertType
    severity: Severity
    threshold: float
    for_seconds: int
    """Raised once the condition has held this long."""
    resolve_after_seconds: int
    """Resolved once the condition has been gone this long."""
    window_seconds: int | None = None
    """How far back the measurement reaches; None for types that measure the present."""
    minimum_tasks: int | None = None
    """Fewer finished tasks within the window say nothing; None for types that are no rate."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RuleKind:
    """What is fixed of a type, and its default rule."""

    default: Rule
    unit: Unit
    meaning: str
    lowest: float
    highest: float
    """Thresholds lie between these two."""
    raised_below: bool = False
    """Raised below the threshold instead of above it."""
    is_age: bool = False
    """The value is for how long it has been so."""
    resolve_fraction: float = 1.0
    """An open alert stays until the value falls to this part of the threshold, so that it does not flap around it."""


DAY = 86_400
LONGEST_SECONDS = 31 * DAY
MOST_TASKS = 1_000_000_000

_T, _S = AlertType, Severity
_KINDS = (
    RuleKind(
        Rule(_T.HIGH_QUEUE_DEPTH, _S.WARNING, 1_000, for_seconds=10, resolve_after_seconds=30),
        Unit.TASKS,
        "Tasks that wait in a queue: in the broker, or due and not yet handed to it (of these 20,000 at most).",
        lowest=0,
        highest=MOST_TASKS,
        resolve_fraction=0.8,
    ),
    RuleKind(
        Rule(_T.NO_ACTIVE_WORKERS, _S.CRITICAL, 1, for_seconds=15, resolve_after_seconds=5),
        Unit.WORKERS,
        "Workers online, fewer than the threshold; where those that are missed were drained, a note.",
        lowest=1,
        highest=100_000,
        raised_below=True,
    ),
    RuleKind(
        Rule(_T.WORKER_OFFLINE, _S.WARNING, 15, for_seconds=10, resolve_after_seconds=5, window_seconds=DAY),
        Unit.SECONDS,
        "Silence of a worker that has not said goodbye; after the window it counts as gone for good. One that ended so "
        "and was started again counts at once, for a minute.",
        lowest=SILENCE.total_seconds(),
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(
            _T.HIGH_FAILURE_RATE,
            _S.WARNING,
            20,
            for_seconds=10,
            resolve_after_seconds=30,
            window_seconds=300,
            minimum_tasks=20,
        ),
        Unit.PERCENT,
        "Failed tasks among those that completed or failed within the window.",
        lowest=0,
        highest=100,
        resolve_fraction=0.8,
    ),
    RuleKind(
        Rule(_T.STUCK_TASKS, _S.WARNING, 3_600, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time that a task has been running, beyond its own timeout where it has one; the longest of each task name.",
        lowest=1,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(_T.TASKS_NOT_PICKED_UP, _S.WARNING, 60, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time since a task was handed to the broker without any worker receiving it; the longest of each queue.",
        lowest=1,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(_T.DISPATCH_STALLED, _S.CRITICAL, 30, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time that a due task has not been taken by the broker: the longest of all, and of each queue that is refused.",
        lowest=1,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(_T.EVENTS_MISSED, _S.INFO, 0, for_seconds=0, resolve_after_seconds=0, window_seconds=3_600),
        Unit.SECONDS,
        "Time within the window during which workers' events could not be heard; timelines may be incomplete.",
        lowest=0,
        highest=LONGEST_SECONDS,
    ),
    RuleKind(
        Rule(_T.COMPONENT_DOWN, _S.CRITICAL, 10, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time since the broker, Redis, the result backend or the mirror was last heard; an api, mirror or loops "
        "process that ended unasked counts at once (of a worker WORKER_OFFLINE tells).",
        lowest=0,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(_T.BROKER_OPTIONS_DIFFER, _S.WARNING, 0, for_seconds=5, resolve_after_seconds=5),
        Unit.WORKERS,
        "Workers that use the broker by other options than ours, or than each other: tasks do not reach them.",
        lowest=0,
        highest=100_000,
    ),
    RuleKind(
        Rule(_T.EVENTS_OFF, _S.WARNING, 0, for_seconds=60, resolve_after_seconds=5),
        Unit.WORKERS,
        "Workers online that run tasks and send no events of them.",
        lowest=0,
        highest=100_000,
    ),
    RuleKind(
        Rule(_T.OPEN_ACCESS, _S.WARNING, 0, for_seconds=0, resolve_after_seconds=5),
        Unit.ADDRESSES,
        "Addresses that others reach, and on which the API asks nobody for a key.",
        lowest=0,
        highest=100_000,
    ),
    RuleKind(
        Rule(_T.NOTIFICATION_FAILING, _S.WARNING, 60, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time since a channel of notifications last took a message, if it has refused or missed one since.",
        lowest=0,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
    RuleKind(
        Rule(_T.WEBHOOK_FAILING, _S.WARNING, 3_600, for_seconds=0, resolve_after_seconds=5),
        Unit.SECONDS,
        "Time since which all that was sent to a webhook has failed.",
        lowest=1,
        highest=LONGEST_SECONDS,
        is_age=True,
    ),
)
KINDS: Mapping[AlertType, RuleKind] = MappingProxyType({kind.default.type: kind for kind in _KINDS})
DEFAULT_RULES: Mapping[AlertType, Rule] = MappingProxyType({kind.default.type: kind.default for kind in _KINDS})


def problems(rule: Rule) -> list[tuple[str, str]]:
    """What is wrong with a rule for its type, as pairs of (field, message); empty if nothing is."""
    kind = KINDS[rule.type]
    texts = []
    if not kind.lowest <= rule.threshold <= kind.highest:
        texts.append(("threshold", f"of {rule.type} lies between {kind.lowest:.0f} and {kind.highest:.0f} {kind.unit}"))
    for field in ("window_seconds", "minimum_tasks"):
        if getattr(rule, field) is not None and getattr(kind.default, field) is None:
            texts.append((field, f"means nothing for {rule.type}"))
    return texts
