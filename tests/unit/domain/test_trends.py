from datetime import UTC, datetime, timedelta

import pytest

from domain.histograms import bucket_of
from domain.sight import Limits
from domain.trends import (
    NOTHING,
    Chosen,
    Interval,
    Sums,
    Window,
    peak_loads,
    percentage,
    percentile_seconds,
    sum_buckets,
    total,
)

NOW = datetime(2026, 3, 1, 14, 20, 31, 5, tzinfo=UTC)


def at(hour: int, *, day: int = 1) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_a_window_begins_with_a_whole_minute() -> None:
    window = Window.of_last(timedelta(hours=2), now=NOW)
    assert (window.since, window.until) == (datetime(2026, 3, 1, 12, 20, tzinfo=UTC), NOW)


def test_the_series_has_every_hour_that_the_window_touches() -> None:
    window = Window.of_last(timedelta(hours=2), now=NOW)
    assert window.buckets(Interval.HOURLY) == [at(12), at(13), at(14)]


def test_minutes_are_buckets_of_up_to_a_day() -> None:
    window = Window.of_last(timedelta(minutes=2), now=NOW)
    starts = [datetime(2026, 3, 1, 14, minute, tzinfo=UTC) for minute in (18, 19, 20)]
    assert window.buckets(Interval.MINUTELY) == starts
    assert [interval.longest_hours for interval in Interval] == [24, 2160, 2160]


def test_all_tasks_are_chosen_unless_anything_is_said() -> None:
    assert not Chosen().is_bounded
    assert Chosen(task_name="pay").is_bounded
    assert Chosen(limits=Limits(queues=("etl",))).is_bounded


def test_days_begin_at_midnight_in_utc() -> None:
    window = Window.of_last(timedelta(hours=24), now=NOW.astimezone())
    assert window.buckets(Interval.DAILY) == [datetime(2026, 2, 28, tzinfo=UTC), at(0)]


def test_buckets_in_which_nothing_happened_are_there() -> None:
    window = Window.of_last(timedelta(hours=3), now=NOW)
    one = Sums(submitted=1)
    assert sum_buckets({at(12): one}, window, interval=Interval.HOURLY) == {
        at(11): NOTHING,
        at(12): one,
    } | dict.fromkeys((at(13), at(14)), NOTHING)


def test_a_day_is_the_sum_of_its_hours() -> None:
    window = Window.of_last(timedelta(hours=3), now=NOW)
    hours = {at(12): Sums(submitted=1, waits=2, wait_microseconds=3), at(13): Sums(submitted=2, failed=1)}
    assert sum_buckets(hours, window, interval=Interval.DAILY) == {
        at(0): Sums(submitted=3, failed=1, waits=2, wait_microseconds=3)
    }
    assert total(hours.values()) == Sums(submitted=3, failed=1, waits=2, wait_microseconds=3)


def test_peaks_are_the_hours_of_the_day_with_most_submissions() -> None:
    hours = {at(9): Sums(submitted=3), at(9, day=2): Sums(submitted=3), at(8): Sums(submitted=5), at(7): Sums(failed=9)}
    assert peak_loads(hours) == ["09:00", "08:00"]


def test_there_are_at_most_five_peaks_and_the_earlier_of_equals_comes_first() -> None:
    assert peak_loads({at(hour): Sums(submitted=1) for hour in range(8)}) == [f"0{hour}:00" for hour in range(5)]


def test_rates_of_nothing_are_none() -> None:
    assert NOTHING.completion_rate is None
    assert NOTHING.average_wait_seconds is None
    assert NOTHING.average_duration_seconds is None
    assert percentile_seconds(NOTHING, {}, percent=95) is None
    assert percentage(0, 0) is None


def test_cancelled_tasks_neither_raise_nor_lower_the_completion_rate() -> None:
    assert Sums(completed=3, failed=1, cancelled=5).completion_rate == 75.0


def test_averages_are_in_seconds() -> None:
    sums = Sums(waits=4, wait_microseconds=6_000_000, runs=3, run_microseconds=1_000_000)
    assert sums.average_wait_seconds == 1.5
    assert sums.average_duration_seconds == pytest.approx(1 / 3)


def test_the_p95_is_read_from_the_histogram_where_a_run_was_counted() -> None:
    assert percentile_seconds(Sums(runs=1), {0: 1}, percent=95) == 0.0
    assert percentile_seconds(Sums(runs=1), {}, percent=95) is None
    assert percentile_seconds(NOTHING, {0: 1}, percent=95) is None


@pytest.mark.parametrize("microseconds", [1, 1_000, 999_999, 1_234_567, 61_000_000])
@pytest.mark.parametrize("percent", [50, 95])
def test_a_percentile_of_one_run_is_that_run(microseconds: int, percent: float) -> None:
    sums = Sums(runs=1, run_microseconds=microseconds)
    found = percentile_seconds(sums, {bucket_of(microseconds): 1}, percent=percent)
    assert found == sums.average_duration_seconds


def test_the_longest_of_a_few_runs_is_no_shorter_than_their_mean_and_the_shortest_no_longer() -> None:
    for length in range(1_000_000, 1_200_000, 7_919):
        sums, counts = Sums(runs=2, run_microseconds=2 * length), {bucket_of(length): 2}
        mean, longest, shortest = (
            sums.average_duration_seconds,
            percentile_seconds(sums, counts, percent=95),
            percentile_seconds(sums, counts, percent=50),
        )
        assert mean is not None
        assert longest is not None
        assert shortest is not None
        assert shortest <= mean <= longest
        assert longest == pytest.approx(length / 1e6, rel=0.05)
        assert shortest == pytest.approx(length / 1e6, rel=0.05)


def test_a_percentile_among_many_is_left_as_it_was_counted() -> None:
    sums = Sums(runs=100, run_microseconds=100 * 3_600_000_000)
    counts = {bucket_of(1_000_000): 99, bucket_of(359_900_000_000): 1}
    assert percentile_seconds(sums, counts, percent=95) == pytest.approx(1, rel=0.05)
