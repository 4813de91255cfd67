"""What waits for a breaker, and what is told of it; when it opens and closes is in `tests/unit/domain/`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.resilience import breakers as module
from api.resilience.breakers import Breakers
from domain.breakers import OPEN_AFTER, OPEN_AFTER_FAILURES


class Clock:
    """Stands in for `datetime` in the module: each look comes a second after the one before."""

    def __init__(self) -> None:
        self._time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self, _: Any) -> datetime:
        self._time += timedelta(seconds=1)
        return self._time


@pytest.fixture
async def breakers(monkeypatch: pytest.MonkeyPatch) -> Breakers:
    monkeypatch.setattr(module, "datetime", Clock())
    return Breakers(["database", "broker"])


def fail(breakers: Breakers, name: str) -> None:
    """As often and as long as a breaker needs to open."""
    for _ in range(max(OPEN_AFTER_FAILURES, int(OPEN_AFTER.total_seconds()) + 1)):
        breakers.failed(name)


async def test_all_are_closed_at_first(breakers: Breakers) -> None:
    assert breakers.open_ones() == frozenset()
    assert not breakers.opening("database").done()


async def test_one_that_opens_wakes_those_that_wait_for_it_and_no_others(breakers: Breakers) -> None:
    waiting, others = breakers.opening("database"), breakers.opening("broker")
    fail(breakers, "database")
    assert waiting.done()
    assert not others.done()
    assert breakers.open_ones() == {"database"}


async def test_the_first_answer_lets_requests_through_again_and_later_ones_wait_anew(breakers: Breakers) -> None:
    fail(breakers, "database")
    breakers.succeeded("database")
    assert breakers.open_ones() == frozenset()
    waiting = breakers.opening("database")
    assert not waiting.done()
    breakers.failed("database")
    assert waiting.done()
    assert breakers.open_ones() == {"database"}


async def test_further_failures_of_an_open_one_change_nothing(breakers: Breakers) -> None:
    fail(breakers, "database")
    breakers.failed("database")
    breakers.failed("database")
    assert breakers.open_ones() == {"database"}


async def test_a_few_failures_are_told_to_nobody(breakers: Breakers) -> None:
    with capture_logs() as logs:
        breakers.failed("broker")
        breakers.succeeded("broker")
        breakers.failed("broker")
    assert logs == []


async def test_each_change_is_one_warning_with_the_components_name(breakers: Breakers) -> None:
    with capture_logs() as logs:
        fail(breakers, "broker")
        breakers.failed("broker")
        breakers.succeeded("broker")
        breakers.succeeded("broker")
        breakers.succeeded("broker")
    assert logs == [
        {"event": "breaker_changed", "log_level": "warning", "part": "broker", "state": state}
        for state in ("open", "half-open", "closed")
    ]


async def test_a_component_that_nobody_named_is_a_fault_of_ours(breakers: Breakers) -> None:
    with pytest.raises(KeyError):
        breakers.failed("databse")
