"""What is alike in two tasks that were read; how JSON values differ is in `tests/unit/domain/`."""

from datetime import timedelta
from typing import Any

import pytest

from domain.comparisons import Difference, Op
from services.comparisons import MAX_DIFFERENCES, compare
from tests.unit.services.tasks import AT, history

SAMES = ("same_function", "same_args", "same_kwargs", "same_priority", "same_queue", "same_status", "same_worker")


def test_a_task_is_like_itself() -> None:
    one = history(node="celery@a")
    comparison = compare(one, one)
    assert {name: getattr(comparison, name) for name in SAMES} == dict.fromkeys(SAMES, True)
    assert comparison.arguments == []
    assert not comparison.arguments_truncated


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("task_name", "multiply", "same_function"),
        ("args", [1, 3], "same_args"),
        ("kwargs", {"a": 1}, "same_kwargs"),
        ("priority", 9, "same_priority"),
        ("queue_name", "payments", "same_queue"),
        ("status", "FAILED", "same_status"),
        ("node", "celery@b", "same_worker"),
    ],
)
def test_what_differs_is_said_of_that_alone(column: str, value: Any, name: str) -> None:
    comparison = compare(history(node="celery@a"), history(**{"node": "celery@a", column: value}))
    assert [each for each in SAMES if getattr(comparison, each) is not True] == [name]
    assert getattr(comparison, name) is False


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("task_name", "same_function"),
        ("args", "same_args"),
        ("kwargs", "same_kwargs"),
        ("priority", "same_priority"),
        ("queue_name", "same_queue"),
        ("node", "same_worker"),
    ],
)
def test_what_is_not_known_of_one_is_neither_alike_nor_not(column: str, name: str) -> None:
    known, unknown = history(node="celery@a"), history(**{"node": "celery@a", column: None})
    for comparison in (compare(known, unknown), compare(unknown, known), compare(unknown, unknown)):
        assert getattr(comparison, name) is None


@pytest.mark.parametrize("column", ["args", "kwargs"])
def test_arguments_that_are_not_known_of_one_are_not_compared(column: str) -> None:
    comparison = compare(history(), history(**{column: None}))
    assert comparison.arguments is None
    assert not comparison.arguments_truncated


def test_empty_arguments_are_known() -> None:
    assert compare(history(args=[], kwargs={}), history(args=[], kwargs={})).arguments == []


def test_differences_lead_to_the_arguments_under_the_names_that_clients_know() -> None:
    comparison = compare(history(args=[1, 2], kwargs={"a": 1}), history(args=[1, 3], kwargs={"b/c": None}))
    assert comparison.arguments == [
        Difference(Op.REPLACE, "/task_args/1", value=3, old_value=2),
        Difference(Op.REMOVE, "/task_kwargs/a", old_value=1),
        Difference(Op.ADD, "/task_kwargs/b~1c", value=None),
    ]


@pytest.mark.parametrize("count", [MAX_DIFFERENCES, MAX_DIFFERENCES + 1, 5 * MAX_DIFFERENCES])
def test_a_thousand_differences_are_shown_and_that_there_are_more_is_said(count: int) -> None:
    comparison = compare(history(args=[0] * count), history(args=[1] * count))
    assert comparison.arguments is not None
    assert len(comparison.arguments) == MAX_DIFFERENCES
    assert comparison.arguments_truncated is (count > MAX_DIFFERENCES)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [(2.0, 5.0, 3.0), (5.0, 2.0, -3.0), (0.0, 0.0, 0.0), (None, 2.0, None), (2.0, None, None), (0.0, None, None)],
)
def test_how_much_longer_the_second_ran_is_told_where_both_ran(
    one: float | None, other: float | None, difference: float | None
) -> None:
    assert compare(history(duration_seconds=one), history(duration_seconds=other)).difference_seconds == difference


def test_a_wait_counts_from_when_the_task_was_due() -> None:
    started = AT + timedelta(seconds=90)
    at_once = history(first_started_at=started)
    scheduled = history(first_started_at=started, scheduled_at=AT + timedelta(seconds=60))
    assert compare(at_once, scheduled).waits == (90.0, 30.0)
    assert compare(history(), at_once).waits == (None, 90.0)
