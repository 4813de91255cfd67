"""Whether the runs of a task take longer than they did: those of the last hour beside those of the hour before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.histograms import percentile, seconds_of
from domain.trends import DECIMALS

LOOKED_AT = timedelta(hours=2)
USUAL_PERCENT = 95
LEAST_RUNS = 20
"""The fewest of which something is said: the 95th percentile of fewer is the longest of them, whatever that was."""
MARKEDLY = 1.5
LEAST_SECONDS = 0.05
"""What a busy machine adds to a task that takes no time."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs that ended in a stretch of time."""

    count: int = 0
    durations: Mapping[int, int] = field(default_factory=dict)
    """The histogram of how long they took. It holds fewer than `count` where not all were counted by the minute."""

    def percentile_seconds(self, percent: float) -> float | None:
        """Return it within 5 %; None where none ended, or the durations of some are not known."""
        if sum(self.durations.values()) != self.count:
            return None
        found = percentile(self.durations, percent)
        return None if found is None else round(found, DECIMALS)


NO_RUNS = Runs()


@dataclass(frozen=True, slots=True)
class TwoHours:
    """The runs of the last hour, and those of the hour before."""

    last: Runs = NO_RUNS
    before: Runs = NO_RUNS

    @property
    def is_slower(self) -> bool:
        """Whether the 95th percentile has become markedly longer; never where there are too few runs to say."""
        now, then = (runs.percentile_seconds(USUAL_PERCENT) for runs in (self.last, self.before))
        if now is None or then is None or min(self.last.count, self.before.count) < LEAST_RUNS:
            return False
        return now > MARKEDLY * then and now - then >= LEAST_SECONDS

    def slower_since(self, by_minute: Mapping[datetime, Mapping[int, int]]) -> datetime | None:
        """Return the minute since which more of them take longer than 95 % did before; None where they are not slower.

        It is the start of those minutes that have most long runs beyond what half-way between both hours would be: one
        quick run, or one long one, does not move it.
        """
        usual = self.before.percentile_seconds(USUAL_PERCENT)
        if usual is None or not self.is_slower:
            return None
        expected = (_share_beyond(self.before.durations, usual) + _share_beyond(self.last.durations, usual)) / 2
        since, most, excess = None, 0.0, 0.0
        for minute in sorted(by_minute, reverse=True):
            runs = by_minute[minute]
            excess += _beyond(runs, usual) - expected * sum(runs.values())
            if excess > most:
                since, most = minute, excess
        return since


def _share_beyond(durations: Mapping[int, int], seconds: float) -> float:
    return _beyond(durations, seconds) / sum(durations.values())


def _beyond(durations: Mapping[int, int], seconds: float) -> int:
    return sum(count for bucket, count in durations.items() if round(seconds_of(bucket), DECIMALS) > seconds)
