"""The background probe behind `/health`: asks every component once a second, so that the route answers at once.

A check that does not answer in time is abandoned, not awaited: a frozen server may hold even its cancellation. Until
an abandoned check has ended, its component counts as unhealthy and is not asked again, so that nothing piles up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from api.resilience.breakers import Breakers
from domain.health import Condition, Health, health_of

INTERVAL_SECONDS = 1.0
DEADLINE_SECONDS = 1.0
LAST_LOOK_SECONDS = 0.01
STALE_SECONDS = 5.0

Check = Callable[[], Awaitable[bool]]


class Unwell(Exception):
    """A check's word that its component is not well, and why. Texts of other errors are not shown: they may hold
    secrets.
    """


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


class HealthProbe:
    """Runs `checks`, which go by component; each returns whether the component is healthy, or raises to say
    it is not."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self.breakers = Breakers(checks)
        self._checks = checks
        self._deadline_seconds = deadline_seconds
        self._interval_seconds = interval_seconds
        self._components = dict.fromkeys(checks, ComponentState(Condition.UNKNOWN, datetime.now(UTC), "not asked yet"))
        self._asked_at = float("-inf")
        self._asking: dict[str, asyncio.Task[bool]] = {}

    def report(self) -> HealthReport:
        """Return the latest report, or "unknown" throughout if it is older than 5 s."""
        conditions = {name: state.condition for name, state in self.components().items()}
        return HealthReport(health_of(conditions), conditions)

    def components(self) -> Mapping[str, ComponentState]:
        """Return every component as it was found last; "unknown" if that is longer ago than 5 s."""
        silent = asyncio.get_running_loop().time() - self._asked_at
        if silent <= STALE_SECONDS or silent == float("inf"):
            return dict(self._components)
        since = datetime.now(UTC) - timedelta(seconds=silent)
        return dict.fromkeys(self._checks, ComponentState(Condition.UNKNOWN, since, "not asked for too long"))

    async def ask_and_rest(self) -> None:
        """Do one round and the pause after it."""
        await self.run_once()
        await asyncio.sleep(self._interval_seconds)

    async def run_once(self) -> None:
        """Ask every component; takes as long as the deadline at most."""
        answers = await asyncio.gather(*map(self._ask, self._checks))
        for name, (condition, reason) in zip(self._checks, answers, strict=True):
            self._record(name, condition, reason=reason)
        self._asked_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        for task in self._asking.values():
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=self._deadline_seconds)

    async def _ask(self, name: str) -> tuple[Condition, str]:
        if name in self._asking:
            return Condition.UNHEALTHY, "still busy with an abandoned check"
        task = asyncio.ensure_future(_as_coroutine(self._checks[name]))
        self._asking[name] = task
        task.add_done_callback(lambda ended: self._forget(name, ended))
        done, _ = await asyncio.wait({task}, timeout=self._deadline_seconds)
        if not done:  # perhaps because our own event loop was busy: an answer that has come meanwhile is read first
            done, _ = await asyncio.wait({task}, timeout=LAST_LOOK_SECONDS)
        if not done:
            task.cancel()
            return Condition.UNHEALTHY, "no answer in time"
        if task.cancelled():  # from inside: by whatever it waited for
            return Condition.UNHEALTHY, "gave up"
        if error := task.exception():
            return Condition.UNHEALTHY, str(error) if isinstance(error, Unwell) else type(error).__name__
        return (Condition.HEALTHY, "") if task.result() else (Condition.UNHEALTHY, "answered no")

    def _forget(self, name: str, ended: "asyncio.Task[bool]") -> None:
        """Look at the error, also of a check that was abandoned: asyncio logs errors that nobody has looked at."""
        del self._asking[name]
        if not ended.cancelled():
            ended.exception()

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


async def _as_coroutine(check: Check) -> bool:
    return await check()
