"""Alerts and rules on the wire: what is shown, and what an update may say."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from api.schemas.alerts import (
    LONGEST_WAIT_SECONDS,
    LONGEST_WINDOW_SECONDS,
    AlertModel,
    RuleModel,
    RulesUpdate,
    RuleUpdate,
)
from domain.alerts.rules import DEFAULT_RULES, AlertType, Severity, Unit
from domain.errors import InvalidRequest
from services.alerts import RuleChange
from store.queries.alerts import AlertRow, RuleInForce
from tests.facts import NOON

DEPTH = {"type": "HIGH_QUEUE_DEPTH"}


def row(**said: Any) -> AlertRow:
    plain: dict[str, Any] = {
        "alert_id": uuid4(),
        "type": "HIGH_QUEUE_DEPTH",
        "subject": "payments",
        "severity": "WARNING",
        "description": "Depth of queue payments exceeded 1000",
        "value": 1_200.0,
        "threshold": 1_000.0,
        "created_at": NOON,
        "acknowledged_at": None,
        "resolved_at": None,
    }
    return AlertRow(**(plain | said))


def update(**fields: Any) -> RulesUpdate:
    return RulesUpdate.model_validate(fields)


def test_an_alert_that_nobody_has_acknowledged_says_so() -> None:
    shown = AlertModel.from_row(row())
    assert (shown.acknowledged, shown.acknowledged_at, shown.resolved_at) == (False, None, None)
    assert AlertModel.from_row(row(acknowledged_at=NOON)).acknowledged


def test_an_alert_about_the_whole_has_no_subject() -> None:
    assert AlertModel.from_row(row(subject="")).subject is None
    assert AlertModel.from_row(row()).subject == "payments"


@pytest.mark.parametrize("kind", AlertType)
def test_every_rule_is_shown_and_what_is_shown_may_be_put_back(kind: AlertType) -> None:
    shown = RuleModel.from_rule(RuleInForce(DEFAULT_RULES[kind], None))
    assert (shown.type, shown.updated_at) == (kind, None)
    assert shown.description
    put = update(rules=[shown.model_dump(mode="json")])
    name, (change,) = put.changes()
    assert (name, change.type) == ("rules", kind)
    assert change.repeated == {"unit": shown.unit, "description": shown.description, "updated_at": None}


def test_what_is_left_out_or_null_is_no_change() -> None:
    _, (change,) = update(rules=[DEPTH | {"threshold": 5, "severity": None}]).changes()
    assert change == RuleChange(AlertType.HIGH_QUEUE_DEPTH, {"threshold": 5.0}, {})


def test_false_and_0_are_changes() -> None:
    _, (change,) = update(rules=[DEPTH | {"enabled": False, "for_seconds": 0, "threshold": 0}]).changes()
    assert change.values == {"enabled": False, "for_seconds": 0, "threshold": 0.0}


def test_words_become_what_the_domain_means_by_them() -> None:
    _, (change,) = update(rules=[DEPTH | {"severity": "CRITICAL", "unit": "tasks"}]).changes()
    assert change.values == {"severity": Severity.CRITICAL}
    assert change.repeated == {"unit": Unit.TASKS}


def test_rules_may_come_as_data_or_as_both_where_these_are_the_same() -> None:
    assert update(data=[DEPTH]).changes()[0] == "data"
    assert update(rules=[DEPTH], data=[DEPTH]).changes()[0] == "rules"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("rules", "Field required")]),
        ({"total": 1}, [("rules", "Field required"), ("total", f"cannot be set; it is {len(AlertType)}")]),
        (
            {"rules": [DEPTH], "data": [DEPTH | {"enabled": False}]},
            [("data", "differs from rules, which it repeats")],
        ),
        ({"rules": [DEPTH], "total": 0}, [("total", f"cannot be set; it is {len(AlertType)}")]),
        ({"rules": [DEPTH], "total_is_exact": False}, [("total_is_exact", "cannot be set; it is true")]),
    ],
)
def test_what_is_not_as_get_answers_it_is_refused_by_field(body: dict[str, Any], errors: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        update(**body).changes()
    assert list(refused.value.errors) == errors
    assert refused.value.detail == ": ".join(errors[0])


def test_a_page_may_be_put_back_as_it_was_read() -> None:
    page = {"total": len(AlertType), "total_is_exact": True, "limit": 50, "offset": 0, "next_cursor": None}
    assert update(rules=[DEPTH], data=[DEPTH], **page).changes()[0] == "rules"


@pytest.mark.parametrize(
    ("field", "allowed", "refused"),
    [
        ("threshold", [0, 0.5, 1e12], [-0.1, float("nan"), float("inf"), "5"]),
        ("window_seconds", [60, LONGEST_WINDOW_SECONDS], [59, LONGEST_WINDOW_SECONDS + 1, 60.5]),
        ("minimum_tasks", [1, 1_000_000], [0, 1_000_001]),
        ("for_seconds", [0, LONGEST_WAIT_SECONDS], [-1, LONGEST_WAIT_SECONDS + 1]),
        ("resolve_after_seconds", [0, LONGEST_WAIT_SECONDS], [-1, LONGEST_WAIT_SECONDS + 1]),
        ("severity", ["INFO"], ["info", "URGENT", 1]),
        ("enabled", [True], ["true", 1]),
        ("description", ["x" * 1_000], ["x" * 1_001]),
    ],
)
def test_each_field_has_its_bounds(field: str, allowed: list[Any], refused: list[Any]) -> None:
    for value in allowed:
        RuleUpdate.model_validate(DEPTH | {field: value})
    for value in refused:
        with pytest.raises(ValidationError):
            RuleUpdate.model_validate(DEPTH | {field: value})


@pytest.mark.parametrize("count", [0, len(AlertType) + 1])
def test_an_update_names_at_least_one_rule_and_no_more_than_there_are(count: int) -> None:
    with pytest.raises(ValidationError):
        update(rules=[DEPTH] * count)
    update(rules=[DEPTH] * len(AlertType))


def test_a_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="HIGH_QUEUE_DEPTH"):
        update(rules=[{"type": "HIGH_QUEUE_DEPHT"}])
