from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.facets import DEFAULT_LENGTH, MAX_LENGTH, is_counted, rank, span_of, start_of, step_of, sum_by_step
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


def test_a_histogram_looks_at_a_day_unless_more_is_asked_for_and_never_beyond_its_longest() -> None:
    assert span_of(TaskFilter(), now=NOON) == (NOON - DEFAULT_LENGTH, NOON)
    assert span_of(TaskFilter(created_after=NOON - HOUR, created_before=NOON + HOUR), now=NOON) == (NOON - HOUR, NOON)
    assert span_of(TaskFilter(created_after=NOON - 2 * MAX_LENGTH), now=NOON) == (NOON - MAX_LENGTH, NOON)
    assert span_of(TaskFilter(created_after=NOON + HOUR), now=NOON) == (NOON, NOON)


@pytest.mark.parametrize("created_after", [None, datetime.min.replace(tzinfo=UTC)])
def test_a_histogram_of_the_first_year_that_there_is_can_be_reckoned(created_after: datetime | None) -> None:
    filters = TaskFilter(created_after=created_after, created_before=datetime.min.replace(tzinfo=UTC))
    since, until = span_of(filters, now=NOON)
    step = step_of(until - since, buckets=60)
    assert sum_by_step({}, since=since, until=until, step=step)


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
    assert list(sum_by_step({}, since=NOON, until=NOON + 2 * MINUTE, step=MINUTE)) == [NOON, NOON + MINUTE]
    assert list(sum_by_step({}, since=NOON, until=NOON, step=MINUTE)) == [NOON]


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
