"""One breaker for each component, fed by the health probe and by requests that lost their connection."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from domain.breakers import Breaker, BreakerState

log = structlog.get_logger(__name__)


class Breakers:
    """The breakers of the components `names`. Each process judges for itself: its own connections are what it knows."""

    def __init__(self, names: Iterable[str]) -> None:
        self._breakers = {name: Breaker() for name in names}
        self._opening = {name: _future() for name in self._breakers}

    def succeeded(self, name: str) -> None:
        """Note that the component has answered."""
        self._replace(name, self._breakers[name].succeeded())

    def failed(self, name: str) -> None:
        """Note that the component has not answered, or has answered that it is not well."""
        self._replace(name, self._breakers[name].failed(datetime.now(UTC)))

    def open_ones(self) -> frozenset[str]:
        """Return the components that count as failed now."""
        return frozenset(name for name, opening in self._opening.items() if opening.done())

    def opening(self, name: str) -> "asyncio.Future[None]":
        """Return a future, done once the component counts as failed; many may wait for it, and none may cancel it."""
        return self._opening[name]

    def _replace(self, name: str, breaker: Breaker) -> None:
        before = self._breakers[name].state
        self._breakers[name] = breaker
        if breaker.state is before:
            return
        log.warning("breaker_changed", part=name, state=breaker.state.value)
        if breaker.state is BreakerState.OPEN:
            self._opening[name].set_result(None)
        elif before is BreakerState.OPEN:
            self._opening[name] = _future()


def _future() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()
