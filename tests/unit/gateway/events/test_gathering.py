import pytest

from gateway.events.gathering import (
    FEW,
    HURRIED_MANY,
    HURRIED_SECONDS,
    HURRY_SECONDS,
    LONGEST_SECONDS,
    MANY,
    MEMORY_SECONDS,
    Gathering,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def after(gathering: Gathering, clock: Clock, *, rate: float, seconds: float = 5 * MEMORY_SECONDS) -> float:
    """What is answered once so many events a second were stored, a few at a time."""
    begun, portion = clock.now, 4
    while clock.now - begun < seconds:
        clock.now += portion / rate
        gathering.note(portion)
    clock.now += portion / rate  # the next ones come
    return gathering.seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_waits_before_anything_was_heard(clock: Clock) -> None:
    assert Gathering(clock).seconds() == 0


def test_a_single_task_waits_for_nothing(clock: Clock) -> None:
    gathering = Gathering(clock)
    for _ in range(4):
        gathering.note(1)
        assert gathering.seconds() == 0


@pytest.mark.parametrize("rate", [3.0, 30.0, 0.9 * FEW])
def test_few_events_wait_for_nothing(clock: Clock, rate: float) -> None:
    assert after(Gathering(clock), clock, rate=rate) == 0


@pytest.mark.parametrize("rate", [1.2 * MANY, 100 * MANY])
def test_many_events_gather_as_long_as_they_may(clock: Clock, rate: float) -> None:
    assert after(Gathering(clock), clock, rate=rate) == LONGEST_SECONDS


def test_in_between_they_wait_the_longer_the_more_come(clock: Clock) -> None:
    some, more = (after(Gathering(clock), clock, rate=rate) for rate in (130.0, 170.0))
    assert 0 < some < more < LONGEST_SECONDS


def test_after_a_quiet_time_nothing_waits(clock: Clock) -> None:
    gathering = Gathering(clock)
    after(gathering, clock, rate=100 * MANY)
    clock.now += 6 * MEMORY_SECONDS
    assert gathering.seconds() == 0


def test_while_it_is_hurried_more_have_to_come_and_none_waits_for_long(clock: Clock) -> None:
    gathering = Gathering(clock)
    waits = []
    for rate in (1.2 * MANY, 1.2 * HURRIED_MANY * MANY):
        after(gathering, clock, rate=rate)
        gathering.hurry()
        waits.append(gathering.seconds())
    assert waits == [0, HURRIED_SECONDS]
    clock.now += HURRY_SECONDS
    assert after(gathering, clock, rate=1.2 * MANY) == LONGEST_SECONDS
