from datetime import UTC, datetime
from typing import Any

import pytest

from domain.feed import Place, Told
from domain.filters import TaskFilter
from domain.states import Status
from domain.webhooks.subscriptions import Subscription

AT = datetime(2026, 3, 1, tzinfo=UTC)


def told(kind: str = "task.failed", **given: Any) -> Told:
    cells = {"subject_id": "one", "task_name": "shop.pay", "queue_name": "etl", "status": "FAILED", "previous": None}
    data = {"exception": "CardDeclined('No Funds')", "duration_seconds": 2.5}
    return Told(Place(7, 1), AT, kind, **(cells | {"data": data} | given))


@pytest.mark.parametrize(
    ("types", "kind", "expected"),
    [
        (("task.failed",), "task.failed", True),
        (("task.*",), "task.failed", True),
        (("shop.*",), "shop.order.paid", True),
        (("*",), "anything.at.all", True),
        (("task.completed", "alert.*"), "task.failed", False),
    ],
)
def test_a_type_is_named_or_begins_so(types: tuple[str, ...], kind: str, expected: bool) -> None:
    assert Subscription(types).matches(told(kind)) is expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TaskFilter(), True),
        (TaskFilter(statuses=(Status.FAILED, Status.CANCELLED)), True),
        (TaskFilter(statuses=(Status.COMPLETED,)), False),
        (TaskFilter(task_id="one"), True),
        (TaskFilter(task_id="two"), False),
        (TaskFilter(task_name="shop.pay", queue_name="etl"), True),
        (TaskFilter(task_name="shop.pay", queue_name="other"), False),
        (TaskFilter(error="no funds"), True),
        (TaskFilter(error="timeout"), False),
        (TaskFilter(min_duration=2.5, max_duration=2.5), True),
        (TaskFilter(min_duration=2.6), False),
        (TaskFilter(max_duration=2.4), False),
    ],
)
def test_all_that_is_given_must_hold(wanted: TaskFilter, expected: bool) -> None:
    assert Subscription(("task.*",), wanted).matches(told()) is expected


@pytest.mark.parametrize(
    "wanted", [TaskFilter(task_id="one"), TaskFilter(max_duration=9), TaskFilter(error="x"), TaskFilter(queue_name="a")]
)
def test_what_carries_no_such_field_is_not_told(wanted: TaskFilter) -> None:
    alert = told("alert.raised", task_name=None, queue_name=None, status=None, data={})
    assert Subscription(("*",)).matches(alert)
    assert not Subscription(("*",), wanted).matches(alert)
