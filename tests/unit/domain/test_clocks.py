from datetime import UTC, datetime, timedelta

import pytest

from domain.clocks import AHEAD_SECONDS, BEHIND_SECONDS, credible, credible_runtime, credible_time, time_of

HEARD = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (0.0, 0.0),
        (AHEAD_SECONDS, AHEAD_SECONDS),
        (AHEAD_SECONDS + 0.1, AHEAD_SECONDS),
        (1e12, AHEAD_SECONDS),
        (-BEHIND_SECONDS, -BEHIND_SECONDS),
        (-BEHIND_SECONDS - 1, 0.0),
    ],
)
def test_a_time_is_believed_within_bounds(told: float, believed: float) -> None:
    heard = HEARD.timestamp()
    assert credible(heard + told, heard=heard) - heard == believed
    assert time_of(heard + told, heard=HEARD) - HEARD == timedelta(seconds=believed)
    if told < 1e12:
        assert credible_time(HEARD + timedelta(seconds=told), heard=HEARD) - HEARD == timedelta(seconds=believed)


def test_any_time_of_the_calendar_may_be_told() -> None:
    for told in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert abs(credible_time(told, heard=HEARD) - HEARD) <= timedelta(seconds=AHEAD_SECONDS)


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (0, 0.0),
        (2.5, 2.5),
        (10 + AHEAD_SECONDS, 10 + AHEAD_SECONDS),
        (10 + AHEAD_SECONDS + 0.1, None),
        (-0.1, None),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ("2.5", None),
    ],
)
def test_a_runtime_is_believed_that_is_not_older_than_its_message(told: object, believed: float | None) -> None:
    received = HEARD - timedelta(seconds=10)
    assert credible_runtime(told, received_at=received, ended_at=HEARD) == believed


@pytest.mark.parametrize(("told", "believed"), [(BEHIND_SECONDS, BEHIND_SECONDS), (1e300, None)])
def test_a_runtime_whose_message_nobody_saw_is_believed_within_bounds(told: float, believed: float | None) -> None:
    assert credible_runtime(told, received_at=None, ended_at=HEARD) == believed
