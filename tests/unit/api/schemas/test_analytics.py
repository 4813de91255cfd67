"""Trends on the wire: where nothing was counted a figure is null, never made up."""

from datetime import timedelta

from api.schemas.analytics import FailurePattern, TrendsAnswer
from domain.trends import NOTHING, Interval, Sums, SumsAndDurations, Window
from services.trends import Trends
from tests.facts import NOON

WINDOW = Window(since=NOON, until=NOON + timedelta(hours=1))


def answer(
    total: Sums = NOTHING, *, failures: dict[str, int] | None = None, by_name: dict[str, Sums] | None = None
) -> TrendsAnswer:
    named = {name: SumsAndDurations(sums, {}) for name, sums in (by_name or {}).items()}
    trends = Trends(total, {NOON: SumsAndDurations(total, {})}, named, named, failures or {}, ["12:00"])
    return TrendsAnswer.from_trends(trends, WINDOW, interval=Interval.HOURLY)


def test_where_nothing_finished_no_rate_is_told() -> None:
    shown = answer()
    assert (shown.completion_rate, shown.average_wait_time_seconds, shown.failure_patterns) == (None, None, [])
    (bucket,) = shown.series
    assert (bucket.submitted, bucket.average_duration_seconds, bucket.p95_duration_seconds) == (0, None, None)
    assert (bucket.bucket, shown.since, shown.until) == (NOON, NOON, WINDOW.until)


def test_cancelled_tasks_count_neither_as_done_nor_as_failed() -> None:
    assert answer(Sums(completed=3, failed=1, cancelled=96)).completion_rate == 75.0


def test_failures_are_shares_of_all_failures_also_of_those_not_listed() -> None:
    assert answer(Sums(failed=8), failures={"Timeout": 2, "": 1}).failure_patterns == [
        FailurePattern(error="Timeout", count=2, percentage=25.0),
        FailurePattern(error="", count=1, percentage=12.5),
    ]


def test_a_share_of_no_failures_is_0_and_no_error() -> None:
    assert answer(failures={"Timeout": 1}).failure_patterns[0].percentage == 0.0


def test_tasks_whose_name_was_never_told_have_none() -> None:
    shown = answer(by_name={"": Sums(completed=1), "add": Sums(failed=1)})
    assert [(row.task_name, row.completion_rate) for row in shown.by_task] == [(None, 100.0), ("add", 0.0)]
    assert [row.queue_name for row in shown.by_queue] == [None, "add"]
