from datetime import UTC, datetime, timedelta

import pytest

from domain.workflows.pauses import Pause, pauses_of

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("events", "pauses"),
    [
        ("submitted started completed", []),
        ("submitted started failed retried started completed", [(2, 3)]),
        ("submitted failed replayed retried started cancelled retried", [(1, 3), (5, 6)]),
        ("failed retried retried", [(0, 1)]),
        ("retried", []),
    ],
)
def test_a_pause_is_from_an_end_until_a_retry(events: str, pauses: list[tuple[float, float]]) -> None:
    told = [(at(second), event_type) for second, event_type in enumerate(events.split())]
    assert pauses_of(told) == [Pause(at(begin), at(end)) for begin, end in pauses]


@pytest.mark.parametrize(
    ("since", "until", "seconds"), [(0, 30, 10), (12, 30, 8), (0, 13, 3), (12, 13, 1), (0, 5, 0), (25, 30, 0)]
)
def test_a_pause_counts_as_far_as_it_lies_in_a_stretch(since: float, until: float, seconds: float) -> None:
    pause = Pause(at(10), at(20))
    assert (pause.seconds, pause.seconds_between(at(since), at(until))) == (10, seconds)
