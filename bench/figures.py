"""What is said about measurements: medians over alternating rounds, ratios of medians, percentiles. No I/O."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's turn: so much done in so many seconds, and how long each single one took, where that is known."""

    count: int
    seconds: float
    latencies: tuple[float, ...] = ()
    processor_seconds: float | None = None
    """Processor time of all measured processes meanwhile; None where that was not looked at."""

    @property
    def rate(self) -> float:
        """Return how much was done in a second."""
        return self.count / self.seconds


@dataclass(frozen=True, slots=True)
class Series:
    """All rounds of one contender."""

    name: str
    rounds: tuple[Turn, ...]

    @property
    def rate(self) -> float:
        """Return how much was done in a second: the median of the rounds."""
        return median(each.rate for each in self.rounds)

    @property
    def cost(self) -> float | None:
        """Return processor seconds for each one done, the median of the rounds: others disturb it less than
        the rate."""
        each = [done.processor_seconds / done.count for done in self.rounds if done.processor_seconds is not None]
        return median(each) if each else None

    @property
    def latencies(self) -> list[float]:
        """Return the latencies of all rounds, in seconds."""
        return [latency for each in self.rounds for latency in each.latencies]

    def ratio_to(self, other: "Series") -> float:
        """Return how many times faster it is than the other; medians, which one disturbed round does not move."""
        return self.rate / other.rate


def alternate(contenders: Mapping[str, Callable[[], Turn]], *, rounds: int) -> list[Series]:
    """Give each contender its turn, A B C A B C..., so that a slow minute of the machine hits all alike."""
    taken: dict[str, list[Turn]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, take_turn in contenders.items():
            taken[name].append(take_turn())
    return [Series(name, tuple(rounds)) for name, rounds in taken.items()]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of them do not exceed (nearest rank). Raises ValueError for
    none.
    """
    if not values:
        raise ValueError("no values, no percentile")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]
