"""Health of the system as a whole, from the health of its parts (docs/rest-contract.md)."""

from collections.abc import Mapping
from enum import StrEnum


class Condition(StrEnum):
    """The condition of one component."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    """The last answer was so long ago that it says nothing any more."""


class ComponentStatus(StrEnum):
    """The condition of a component, with what marks say of it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """The component answers, and is marked."""
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """The health of the whole system."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Something is down, but the API still does its work: it stores and answers."""
    UNHEALTHY = "unhealthy"


DATABASE = "database"
"""The one part without which nothing can be stored or answered."""
REDIS = "redis"
LOOPS = "loops"
API = "api"


def health_of(checks: Mapping[str, Condition]) -> Health:
    """The whole is as healthy as its parts; without the database it is unhealthy."""
    if checks.get(DATABASE) is not Condition.HEALTHY:
        return Health.UNHEALTHY
    if all(condition is Condition.HEALTHY for condition in checks.values()):
        return Health.HEALTHY
    return Health.DEGRADED


def component_status_of(condition: Condition, *, marked: bool) -> ComponentStatus:
    """A mark counts: what is marked is not healthy, whatever it answers."""
    if marked and condition is Condition.HEALTHY:
        return ComponentStatus.DEGRADED
    return ComponentStatus(condition.value)


def score(*, healthy: int, total: int) -> float:
    """The healthy share in percent, one decimal."""
    return round(100 * healthy / total, 1)
