"""What the API tells of the whole at one moment, as far as the screen of `celeriac top` needs it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The answers of one moment, `now` in seconds since 1970; None is not known."""

    now: float
    is_partial: bool = False
    """Whether a key with limits asks: it is never told of alerts and figures of all that there is."""
    refused: str = ""
    """Why something is not told; of several the last."""
    health: Json | None = None
    alerts: list[Json] | None = None
    """The open alerts."""
    stats: Json | None = None
    queues: list[Json] | None = None
    drifts: dict[str, float] = field(default_factory=dict)
    """How many more wait in each queue each minute, less than 0 where it falls; of those of which it is known."""
    resilience: Json | None = None
    held: Json | None = None
    """How much marks hold back; read where any does."""
    done_per_minute: float | None = None
    failed_percent: float | None = None
    mean_wait: float | None = None
    workers: list[Json] | None = None
    fleet: list[Json] | None = None
    """The workers with what is wanted of them; read where one of them is not there."""
    workflows: list[Json] | None = None
    """The newest of the workflows that failed."""
    offline: int = 0
    """How many workers are not there."""
    failing: list[Json] | None = None
    """Names of tasks of which some failed in this hour, with how they fared."""
    failures: list[Json] | None = None
    """What failed in this hour by exception and name, the most frequent first."""
    running: list[Json] | None = None
    """Tasks that run, the longest first, as many as a screen holds."""
    running_count: int | None = None


def seconds_since(time: str | None, now: float) -> float | None:
    """Return how long ago this time of the API was."""
    return now - datetime.fromisoformat(time).timestamp() if time else None
