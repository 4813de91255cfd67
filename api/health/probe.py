"""The background probe behind `/health`: asks every part once a second, so that the route answers at once.

How a part is asked, and what becomes of a question that is not answered, stands in `services/components.py`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog

from api.resilience.breakers import Breakers
from background import Resident, start_rounds
from domain.health import Condition, Health, judge
from services.components import DEADLINE_SECONDS, Check, ComponentChecks, reason_of

INTERVAL_SECONDS = 1.0
STALE_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the probe knows of every part and of the whole."""

    health: Health
    checks: Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class Part:
    """What the probe knows of one part."""

    condition: Condition
    since: datetime
    """When this process found it so."""
    reason: str = ""
    """Why it is not healthy."""


class HealthProbe(Resident):
    """`async with HealthProbe(checks) as probe: probe.report()`; `checks` by the part's name."""

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
        self._parts = dict.fromkeys(checks, Part(Condition.UNKNOWN, datetime.now(UTC), "not asked yet"))
        self._asked_at = float("-inf")

    async def __aenter__(self) -> Self:
        await self.run_once()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self._checks.close()

    def report(self) -> HealthReport:
        """The last one, or "unknown" throughout if it is older than 5 s."""
        conditions = {name: part.condition for name, part in self.parts().items()}
        return HealthReport(judge(conditions), conditions)

    def parts(self) -> Mapping[str, Part]:
        """Every part as it was found last; "unknown" if that is longer ago than 5 s."""
        silent = asyncio.get_running_loop().time() - self._asked_at
        if silent <= self._stale_seconds or silent == float("inf"):
            return dict(self._parts)
        since = datetime.now(UTC) - timedelta(seconds=silent)
        return dict.fromkeys(self._parts, Part(Condition.UNKNOWN, since, "not asked for too long"))

    async def run_once(self) -> None:
        """Asks every part; takes as long as the deadline at most."""
        errors = await self._checks.ask()
        for name in self._parts:
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
        known = self._parts[name]
        if condition is not known.condition:
            log.info("health_changed", part=name, condition=condition.value, reason=reason)
            known = Part(condition, datetime.now(UTC))
        self._parts[name] = replace(known, reason=reason)
        if condition is Condition.HEALTHY:
            self.breakers.succeeded(name)
        else:
            self.breakers.failed(name)
