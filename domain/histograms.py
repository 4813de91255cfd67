"""Durations counted in buckets that grow by a tenth: any percentile of any number of them within 5 %.

A histogram is a mapping from bucket to count, so histograms of minutes, queues and task names simply add up. Packed, it
is the sum of `count * 10 ** (12 * bucket)`: one number, and histograms add up as these numbers do.
"""

import math
from collections.abc import Mapping

GROWTH = 1.1
"""The width of a bucket: its representative is at most (1.1 - 1) / (1.1 + 1) = 4.8 % off."""

DIGITS = 12
"""How many digits of a packed histogram each bucket has."""

_BASE = 10**DIGITS
_LOG_GROWTH = math.log(GROWTH)


def bucket_of(microseconds: int) -> int:
    """0 holds nothing but 0; n holds what lies above `GROWTH ** (n - 2)` and at most at `GROWTH ** (n - 1)`."""
    return 1 + math.ceil(math.log(microseconds) / _LOG_GROWTH) if microseconds > 0 else 0


def seconds_of(bucket: int) -> float:
    """What a duration of this bucket counts for: nearest, in proportion, to both of its ends."""
    return 2 * GROWTH ** (bucket - 1) / (1 + GROWTH) / 1e6 if bucket > 0 else 0.0


def percentile(counts: Mapping[int, int], percent: float) -> float | None:
    """The seconds that this share of the durations does not exceed (nearest rank), within 5 %; None without any."""
    total = sum(counts.values())
    rank = math.ceil(total * percent / 100)
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0 < counts[bucket]:
            return seconds_of(bucket)
    return None


def unpack(packed: str) -> dict[int, int]:
    """Return the histogram that is packed into this number; every count lies within half a trillion of 0.

    By its digits: Python reads no number as long as this one may be.
    """
    sign, digits = (-1, packed[1:]) if packed.startswith("-") else (1, packed)
    first = (len(digits) - len(digits.rstrip("0"))) // DIGITS
    ends = range(len(digits) - DIGITS * first, 0, -DIGITS)
    counts = [int(digits[max(end - DIGITS, 0) : end]) for end in ends]
    if max(counts, default=0) * 2 > _BASE:
        _give_back(counts)
    return {bucket: sign * count for bucket, count in enumerate(counts, start=first) if count}


def _give_back(counts: list[int]) -> None:
    """A bucket of which more was taken back than counted has borrowed from the next one."""
    counts.append(0)
    for bucket, count in enumerate(counts):
        if count * 2 > _BASE:
            counts[bucket] -= _BASE
            counts[bucket + 1] += 1
