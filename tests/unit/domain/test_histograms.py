from domain.histograms import GROWTH, bucket_of, percentile, seconds_of


def test_only_what_took_no_time_is_in_the_first_bucket() -> None:
    assert [bucket_of(time) for time in (-1, 0, 1, 2)] == [0, 0, 1, 9]
    assert seconds_of(0) == 0


def test_a_bucket_counts_for_what_lies_between_its_ends() -> None:
    for bucket in (2, 50, 200):
        lower, upper = GROWTH ** (bucket - 2), GROWTH ** (bucket - 1)
        assert lower < seconds_of(bucket) * 1e6 < upper


def test_the_percentile_is_the_nearest_rank_of_what_was_counted() -> None:
    counts = {10: 90, 20: 9, 30: 1}
    assert [percentile(counts, share) for share in (1, 90, 91, 99, 100)] == [
        seconds_of(bucket) for bucket in (10, 10, 20, 20, 30)
    ]


def test_a_bucket_that_was_emptied_again_does_not_count() -> None:
    assert percentile({10: 0, 20: 1}, 1) == seconds_of(20)
    assert percentile({10: 0}, 50) is None
    assert percentile({}, 50) is None
