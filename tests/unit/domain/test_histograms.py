from domain.histograms import DIGITS, GROWTH, bucket_of, percentile, seconds_of, unpack


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


def pack(counts: dict[int, int]) -> str:
    return str(sum(count * 10 ** (DIGITS * bucket) for bucket, count in counts.items()))


def test_packed_histograms_add_up_and_are_read_again() -> None:
    one, other = {0: 7, 1: 10, 160: 3}, {1: 5, 160: 999, 161: 1}
    assert [unpack(pack(each)) for each in (one, other, {})] == [one, other, {}]
    assert unpack(str(int(pack(one)) + int(pack(other)))) == {0: 7, 1: 15, 160: 1002, 161: 1}
    assert unpack("") == {}


def test_what_was_taken_back_before_it_was_counted_is_not_taken_from_other_buckets() -> None:
    for counts in ({4: -1, 5: 2}, {4: -1}, {3: -2, 5: -3, 9: 1}, {0: -1, 1: 1}, {2: 10**11, 3: -(10**11)}):
        assert unpack(pack(counts)) == counts
