import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.histograms import bucket_of, percentile, seconds_of

MONTH = 30 * 86_400 * 1_000_000
microseconds = st.one_of(st.integers(0, 10_000), st.integers(0, MONTH))


@given(st.lists(microseconds, min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_within_five_percent_of_the_true_one(times: list[int], percent: int) -> None:
    true = sorted(times)[math.ceil(len(times) * percent / 100) - 1] / 1e6
    found = percentile(Counter(map(bucket_of, times)), percent)
    assert found is not None
    assert abs(found - true) <= 0.05 * true


@given(st.lists(microseconds), st.lists(microseconds))
def test_histograms_of_parts_add_up_to_that_of_the_whole(one: list[int], other: list[int]) -> None:
    parts = Counter(map(bucket_of, one)) + Counter(map(bucket_of, other))
    assert percentile(parts, 95) == percentile(Counter(map(bucket_of, one + other)), 95)


@given(microseconds, microseconds)
def test_a_longer_time_is_never_in_a_lower_bucket(one: int, other: int) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other
    assert (seconds_of(bucket_of(one)) <= seconds_of(bucket_of(other))) or one > other


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 95) is None


def test_a_count_taken_back_is_as_if_it_had_never_been() -> None:
    assert percentile({3: 0, 90: 2}, 95) == seconds_of(90)
    assert percentile({90: 0}, 95) is None
