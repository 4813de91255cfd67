"""Tells where a queue is going from how much waited in it at two moments, as the page does."""

from collections.abc import Iterable

from cli.top.situation import Json

MINUTE_SECONDS = 60.0
LEAST_SECONDS = 10.0
"""Moments that are nearer to each other tell nothing."""


class Drifts:
    """Remembers what waited in each queue in the last minute."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[float, int]]] = {}

    def note(self, queues: Iterable[Json], *, at: float) -> dict[str, float]:
        """Return how many more wait in each queue each minute, less than 0 where it falls; of those of which it is
        known.
        """
        self._kept = {
            queue["queue_name"]: _with_newest(self._kept.get(queue["queue_name"], []), (at, queue["waiting"]))
            for queue in queues
            if queue["waiting"] is not None
        }
        drifts = {name: _drift_of(kept) for name, kept in self._kept.items()}
        return {name: drift for name, drift in drifts.items() if drift is not None}


def _with_newest(before: list[tuple[float, int]], newest: tuple[float, int]) -> list[tuple[float, int]]:
    """Keep a minute, and what it began with."""
    kept = [*before, newest]
    while len(kept) > 1 and newest[0] - kept[1][0] >= MINUTE_SECONDS:
        kept.pop(0)
    return kept


def _drift_of(kept: list[tuple[float, int]]) -> float | None:
    (began, first), (ended, last) = kept[0], kept[-1]
    lasted = min(MINUTE_SECONDS, ended - began)
    return None if lasted < LEAST_SECONDS else (last - first) * MINUTE_SECONDS / lasted
