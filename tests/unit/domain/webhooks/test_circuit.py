from datetime import UTC, datetime, timedelta

import pytest

from domain.webhooks.attempts import SCHEDULE
from domain.webhooks.circuit import DISABLED_AFTER, OPENS_AFTER, Circuit, Phase, admit, pace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failed(circuit: Circuit, now: datetime, *, retry_after: timedelta | None = None) -> Circuit:
    return circuit.after_failure(now, retry_after=retry_after, jitter=0)


def opened() -> Circuit:
    circuit = Circuit()
    for _ in range(OPENS_AFTER):
        circuit = failed(circuit, NOW)
    return circuit


def test_ten_failures_in_a_row_open_it_and_nine_do_not() -> None:
    circuit = Circuit()
    for _ in range(OPENS_AFTER - 1):
        circuit = failed(circuit, NOW)
    assert circuit.phase(NOW) is Phase.CLOSED
    assert circuit.allowance(NOW, most=10, in_flight=3) == 7
    circuit = failed(circuit, NOW)
    assert circuit.phase(NOW) is Phase.OPEN
    assert circuit.allowance(NOW, most=10, in_flight=0) == 0


def test_what_was_on_its_way_when_it_opened_counts_no_more() -> None:
    assert failed(opened(), NOW) == opened()


def test_its_time_come_one_is_tried_and_each_failure_makes_the_pause_longer() -> None:
    circuit, now, pauses = opened(), NOW, []
    for _ in range(len(SCHEDULE) + 2):
        assert circuit.held_until is not None
        pauses.append(circuit.held_until - now)
        now = circuit.held_until
        assert circuit.phase(now) is Phase.HALF_OPEN
        assert circuit.allowance(now, most=10, in_flight=0) == 1
        assert circuit.allowance(now, most=10, in_flight=1) == 0
        circuit = failed(circuit, now)
    assert pauses == [*SCHEDULE, SCHEDULE[-1], SCHEDULE[-1]]


def test_a_success_closes_it_whenever_it_comes() -> None:
    assert opened().after_success() == Circuit()


def test_an_endpoint_that_asks_for_a_pause_gets_it_at_its_first_failure() -> None:
    circuit = failed(Circuit(), NOW, retry_after=60 * SECOND)
    assert circuit.held_until == NOW + 60 * SECOND
    assert circuit.phase(NOW) is Phase.OPEN


@pytest.mark.parametrize(("jitter", "seconds"), [(-1, 4), (0, 5), (1, 6)])
def test_pauses_scatter_by_a_fifth(jitter: float, seconds: float) -> None:
    circuit = Circuit(failures=OPENS_AFTER - 1, failing_since=NOW)
    opens = circuit.after_failure(NOW, retry_after=None, jitter=jitter)
    assert opens.held_until == NOW + seconds * SECOND


def test_it_is_hopeless_after_five_days_of_nothing_but_failures() -> None:
    circuit = failed(Circuit(), NOW)
    assert circuit.failing_since == NOW
    assert not circuit.is_hopeless(NOW + DISABLED_AFTER - SECOND)
    assert circuit.is_hopeless(NOW + DISABLED_AFTER)
    assert not circuit.after_success().is_hopeless(NOW + DISABLED_AFTER)


def test_without_a_rate_all_may_go() -> None:
    assert admit(1_000, per_second=None, paced_until=None, now=NOW) == 1_000


def test_with_a_rate_a_second_of_it_may_go_at_once_and_then_no_more_than_the_rate() -> None:
    assert admit(100, per_second=20, paced_until=None, now=NOW) == 20
    until = pace(20, per_second=20, paced_until=None, now=NOW)
    assert admit(100, per_second=20, paced_until=until, now=NOW) == 0
    half = NOW + 0.5 * SECOND
    assert admit(100, per_second=20, paced_until=until, now=half) == 10
    until = pace(10, per_second=20, paced_until=until, now=half)
    assert admit(100, per_second=20, paced_until=until, now=half) == 0
    assert admit(3, per_second=20, paced_until=until, now=NOW + 10 * SECOND) == 3
