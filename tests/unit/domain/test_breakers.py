from datetime import timedelta

from domain.breakers import Breaker, BreakerState
from tests.facts import NOON, after

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def failing(*seconds: float, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for second in seconds:
        breaker = breaker.failed(after(second))
    return breaker


def test_it_opens_after_three_failures_in_a_row_that_span_three_seconds() -> None:
    assert failing(0, 1, 2).state is CLOSED
    assert failing(0, 1, 2, 3).state is OPEN
    assert failing(0, 3).state is CLOSED
    assert failing(0, 3, 3).state is OPEN


def test_many_failures_at_once_do_not_open_it() -> None:
    assert failing(*[0.001 * number for number in range(1000)]).state is CLOSED


def test_a_success_forgets_the_failures_before_it() -> None:
    recovered = failing(0, 1, 2).succeeded()
    assert recovered == Breaker()
    assert failing(3, 4, 5, breaker=recovered).state is CLOSED


def test_open_it_stays_so_with_every_failure() -> None:
    assert failing(0, 1, 3, 4, 5).state is OPEN


def test_the_first_success_half_opens_it_and_the_second_closes_it() -> None:
    half_open = failing(0, 1, 3).succeeded()
    assert half_open.state is HALF_OPEN
    assert half_open.succeeded() == Breaker()


def test_half_open_one_failure_opens_it_again() -> None:
    assert failing(0, 1, 3).succeeded().failed(NOON + timedelta(seconds=4)).state is OPEN
