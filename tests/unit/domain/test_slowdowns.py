from datetime import UTC, datetime, timedelta

import pytest

from domain.histograms import bucket_of
from domain.slowdowns import NO_RUNS, Runs, TwoHours

MINUTE = timedelta(minutes=1)
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
FAST, SLOW = bucket_of(400_000), bucket_of(1_200_000)


def runs(**durations: int) -> Runs:
    """`ms400=3`: three runs of 400 ms."""
    found = {bucket_of(int(name.removeprefix("ms")) * 1000): count for name, count in durations.items()}
    return Runs(sum(found.values()), found)


def test_a_percentile_is_told_of_runs_that_are_all_known() -> None:
    assert runs(ms400=94, ms1200=6).percentile_seconds(95) == pytest.approx(1.2, rel=0.05)
    assert runs(ms400=95, ms1200=5).percentile_seconds(95) == pytest.approx(0.4, rel=0.05)
    assert NO_RUNS.percentile_seconds(95) is None
    assert Runs(21, {FAST: 20}).percentile_seconds(95) is None


@pytest.mark.parametrize(
    ("last", "before", "is_slower"),
    [
        (runs(ms1200=20), runs(ms400=20), True),
        (runs(ms1200=19), runs(ms400=20), False),  # too few to say
        (runs(ms1200=20), runs(ms400=19), False),
        (runs(ms500=20), runs(ms400=20), False),  # not markedly
        (runs(ms40=20), runs(ms1=20), False),  # what a busy machine adds
        (runs(ms400=20), runs(ms1200=20), False),
        (runs(ms1200=20), NO_RUNS, False),
        (Runs(40, {SLOW: 20}), runs(ms400=20), False),  # half of them are not known
    ],
)
def test_it_is_slower_when_enough_runs_take_markedly_longer(last: Runs, before: Runs, *, is_slower: bool) -> None:
    hours = TwoHours(last=last, before=before)
    assert hours.is_slower is is_slower
    assert (hours.slower_since({START: last.durations}) is not None) is is_slower


def test_it_is_slower_since_long_runs_came_close_together() -> None:
    by_minute = {START + nth * MINUTE: {FAST: 4} for nth in range(120)}
    # A long one an hour before, a quick minute since, and one in four that is as quick as ever.
    by_minute[START + 10 * MINUTE] = {FAST: 3, SLOW: 1}
    for nth in range(83, 120):
        by_minute[START + nth * MINUTE] = {FAST: 1, SLOW: 3}
    by_minute[START + 100 * MINUTE] = {FAST: 4}

    def together(first: int, end: int) -> Runs:
        minutes = [by_minute[START + nth * MINUTE] for nth in range(first, end)]
        fast, slow = (sum(minute.get(bucket, 0) for minute in minutes) for bucket in (FAST, SLOW))
        return Runs(fast + slow, {FAST: fast, SLOW: slow})

    hours = TwoHours(last=together(60, 120), before=together(0, 60))
    assert hours.slower_since(by_minute) == START + 83 * MINUTE
