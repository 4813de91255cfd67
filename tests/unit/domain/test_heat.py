from datetime import timedelta

from domain.heat import HeatMap, heat_map
from domain.histograms import bucket_of, seconds_of
from domain.trends import Interval, Window
from tests.facts import NOON

HOUR = timedelta(hours=1)
WINDOW = Window(since=NOON, until=NOON + timedelta(minutes=61))


def test_fine_buckets_are_counted_together_and_every_hour_is_there() -> None:
    short, long = bucket_of(100_000), bucket_of(2_000_000)
    heat = heat_map({NOON: {short: 2, short + 1: 1, long: 5}}, WINDOW, interval=Interval.HOURLY)
    assert list(heat.rows) == [NOON, NOON + HOUR]
    assert (sum(heat.rows[NOON]), sum(heat.rows[NOON + HOUR])) == (8, 0)
    assert heat.rows[NOON][-1] == 5
    assert heat.upper_seconds == sorted(heat.upper_seconds)
    assert heat.upper_seconds[-2] < seconds_of(long) <= heat.upper_seconds[-1]
    assert {len(row) for row in heat.rows.values()} == {len(heat.upper_seconds)}


def test_what_was_taken_back_is_not_shown_and_no_time_at_all_is_a_duration() -> None:
    heat = heat_map({NOON: {0: 3, 1: -1}}, WINDOW, interval=Interval.HOURLY)
    assert (heat.upper_seconds, heat.rows[NOON]) == ([0.0], [3])


def test_where_nothing_ended_there_are_no_columns() -> None:
    assert heat_map({}, WINDOW, interval=Interval.HOURLY) == HeatMap([], {NOON: [], NOON + HOUR: []})
