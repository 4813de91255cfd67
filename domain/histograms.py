"""Durations counted in buckets that grow by a tenth: any percentile of any number of them within 5 %.

A histogram is a mapping from bucket to count, so histograms of minutes, queues and task names simply add up.
"""

import math
from collections.abc import Mapping

GROWTH = 1.1
"""The width of a bucket: its representative is at most (1.1 - 1) / (1.1 + 1) = 4.8 % off."""

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
