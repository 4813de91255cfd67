"""The background probe behind `/health`: asks every component once a second, so that the route answers at once.

How a component is asked, and what becomes of a question that is not answered, stands in `services/components.py`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog

from api.resilience.breakers import Breakers
from background import Resident, start_rounds
from domain.health import Condition, Health, health_of
from services.components import DEADLINE_SECONDS, Check, ComponentChecks, reason_of

INTERVAL_SECONDS = 1.0
STALE_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the probe knows of every component and of the whole."""

    health: Health
    checks: Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class ComponentState:
    """What the probe knows of one component."""

    condition: Condition
    since: datetime
    """The time at which this process found it so."""
    reason: str = ""
    """Why it is not healthy; empty where it is, or where the check did not say."""


class HealthProbe(Resident):
    """Asks the components; `checks` go by their names, and each returns when its component is well, else raises."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        interval_seconds: float = INTERVAL_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self.breakers = Breakers(checks)
        self._checks = ComponentChecks(checks, deadline_seconds=deadline_seconds)
        self._interval_seconds = interval_seconds
        self._stale_seconds = stale_seconds
        self._components = dict.fromkeys(checks, ComponentState(Condition.UNKNOWN, datetime.now(UTC), "not asked yet"))
        self._asked_at = float("-inf")

    async def __aenter__(self) -> Self:
        await self.run_once()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self._checks.close()

    def report(self) -> HealthReport:
        """Return the latest report, or "unknown" throughout if it is older than 5 s."""
        conditions = {name: state.condition for name, state in self.components().items()}
        return HealthReport(health_of(conditions), conditions)

    def components(self) -> Mapping[str, ComponentState]:
        """Return every component as it was found last; "unknown" if that is longer ago than 5 s."""
        silent = asyncio.get_running_loop().time() - self._asked_at
        if silent <= self._stale_seconds or silent == float("inf"):
            return dict(self._components)
        since = datetime.now(UTC) - timedelta(seconds=silent)
        return dict.fromkeys(self._components, ComponentState(Condition.UNKNOWN, since, "not asked for too long"))

    async def run_once(self) -> None:
        """Ask every component; takes as long as the deadline at most."""
        errors = await self._checks.ask()
        for name in self._components:
            error = errors.get(name)
            condition = Condition.UNHEALTHY if error else Condition.HEALTHY
            self._record(name, condition, reason=reason_of(error) if error else "")
        self._asked_at = asyncio.get_running_loop().time()

    def _start(self) -> "list[asyncio.Task[None]]":
        return [start_rounds(self._ask_and_rest, name="health-probe")]

    async def _ask_and_rest(self) -> None:
        await asyncio.sleep(self._interval_seconds)
        await self.run_once()

    def _record(self, name: str, condition: Condition, *, reason: str) -> None:
        state = self._components[name]
        if condition is not state.condition:
            log.info("health_changed", part=name, condition=condition.value, reason=reason)
            state = ComponentState(condition, datetime.now(UTC))
        self._components[name] = replace(state, reason=reason)
        if condition is Condition.HEALTHY:
            self.breakers.succeeded(name)
        else:
            self.breakers.failed(name)
