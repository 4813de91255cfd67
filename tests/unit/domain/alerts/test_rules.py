from dataclasses import replace
from typing import Any

import pytest

from domain.alerts.rules import DEFAULT_RULES, KINDS, AlertType, Severity, problems


def test_every_type_of_the_contract_has_a_default_rule_of_its_own() -> None:
    contract = (
        "HIGH_QUEUE_DEPTH, NO_ACTIVE_WORKERS, WORKER_OFFLINE, HIGH_FAILURE_RATE, STUCK_TASKS, "
        "TASKS_NOT_PICKED_UP, DISPATCH_STALLED, EVENTS_MISSED, COMPONENT_DOWN"
    )
    told = [kind.value for kind in DEFAULT_RULES]
    assert ", ".join(told).startswith(contract), "others come after them"
    assert told == [kind.value for kind in AlertType]
    assert all(rule.type is kind and rule.enabled for kind, rule in DEFAULT_RULES.items())
    assert [severity.value for severity in Severity] == ["INFO", "WARNING", "CRITICAL"]


def test_the_queue_depth_of_the_reference_is_the_default() -> None:
    rule = DEFAULT_RULES[AlertType.HIGH_QUEUE_DEPTH]
    assert (rule.threshold, rule.severity) == (1000, Severity.WARNING)


@pytest.mark.parametrize("alert_type", AlertType)
def test_default_rules_and_their_bounds_are_sound(alert_type: AlertType) -> None:
    rule, kind = DEFAULT_RULES[alert_type], KINDS[alert_type]
    assert problems(rule) == []
    assert problems(replace(rule, threshold=kind.lowest)) == []
    assert problems(replace(rule, threshold=kind.highest)) == []
    for beyond in (kind.lowest - 1, kind.highest + 1):
        assert [field for field, _ in problems(replace(rule, threshold=beyond))] == ["threshold"]


@pytest.mark.parametrize(
    ("alert_type", "field", "fits"),
    [
        (AlertType.HIGH_FAILURE_RATE, "window_seconds", True),
        (AlertType.HIGH_FAILURE_RATE, "minimum_tasks", True),
        (AlertType.WORKER_OFFLINE, "window_seconds", True),
        (AlertType.WORKER_OFFLINE, "minimum_tasks", False),
        (AlertType.HIGH_QUEUE_DEPTH, "window_seconds", False),
    ],
)
def test_a_window_and_a_minimum_are_refused_where_they_mean_nothing(
    alert_type: AlertType, field: str, fits: bool
) -> None:
    changes: dict[str, Any] = {field: 60}
    wrong = problems(replace(DEFAULT_RULES[alert_type], **changes))
    assert wrong == ([] if fits else [(field, f"means nothing for {alert_type}")])
