"""Filters with a name: those that ship with Celeriac, and those that clients save."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Preset:
    """A filter that has a name."""

    name: str
    description: str
    filters: Mapping[str, object]
    """The filters in a client's words (`api/schemas/filters.py`); relative times count from its use."""
    created_at: datetime | None = None
    """The time of its making; None for what ships with Celeriac."""


BUILT_IN: tuple[Preset, ...] = (
    Preset("failed_today", "Tasks failed in last 24 hours", {"status": ["FAILED"], "completed_after": "-24h"}),
    Preset("high_priority_pending", "Priority 8+ PENDING tasks", {"status": ["PENDING"], "min_priority": 8}),
    Preset("stuck_tasks", "RUNNING for more than 1 hour", {"status": ["RUNNING"], "started_before": "-1h"}),
)


def built_in(name: str) -> Preset | None:
    """The preset of this name that ships with Celeriac."""
    return next((preset for preset in BUILT_IN if preset.name == name), None)
