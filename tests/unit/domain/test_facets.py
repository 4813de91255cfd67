from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.facets import is_counted, rank, start_of, step_of, sum_by_step
from domain.filters import TaskFilter
from domain.sight import Limits, Sight
from domain.states import Status
from domain.trends import NOTHING, Sums
from tests.facts import NOON

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("length", "buckets", "step"),
    [
        (HOUR, 60, MINUTE),
        (61 * MINUTE, 60, 2 * MINUTE),
        (24 * HOUR, 60, 30 * MINUTE),
        (25 * HOUR, 60, HOUR),
        (720 * HOUR, 60, 12 * HOUR),
        (2160 * HOUR, 60, 48 * HOUR),
        (2160 * HOUR, 1, 13 * 168 * HOUR),
        (timedelta(0), 60, MINUTE),
    ],
)
def test_buckets_are_as_short_as_their_number_allows(length: timedelta, buckets: int, step: timedelta) -> None:
    assert step_of(length, buckets=buckets) == step


def test_buckets_stay_where_they_are_as_time_goes_on() -> None:
    at = datetime(2026, 3, 1, 14, 20, 31, tzinfo=UTC)
    assert start_of(at, step=30 * MINUTE) == at.replace(minute=0, second=0)
    assert start_of(at + 10 * MINUTE, step=30 * MINUTE) == at.replace(minute=30, second=0)


def test_every_bucket_is_there_and_what_lies_before_is_not_counted() -> None:
    sums = {NOON - MINUTE: Sums(failed=9), NOON: Sums(submitted=1), NOON + MINUTE: Sums(submitted=2)}
    assert sum_by_step(sums, since=NOON, until=NOON + 5 * MINUTE, step=2 * MINUTE) == {
        NOON: Sums(submitted=3),
        NOON + 2 * MINUTE: NOTHING,
        NOON + 4 * MINUTE: NOTHING,
    }


def test_roll_ups_know_names_queues_and_times_of_creation() -> None:
    known = TaskFilter(task_name="pay", queue_name="a", created_after=NOON, created_before=NOON)
    assert is_counted(replace(known, sight=Sight(Limits(queues=("a",)))))
    assert not is_counted(replace(known, statuses=(Status.FAILED,)))
    assert not is_counted(TaskFilter(error="x"))


def test_names_that_begin_so_come_before_those_that_contain_it() -> None:
    names = ["refund_payment", "Payment.make", "pay", "mail", "pay"]
    assert rank(names, "pay", limit=5) == ["Payment.make", "pay", "refund_payment"]
    assert rank(names, "PAY", limit=1) == ["Payment.make"]
    assert rank(names, "", limit=9) == ["refund_payment", "Payment.make", "pay", "mail"]
