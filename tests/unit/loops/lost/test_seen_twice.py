"""A task is missing when two looks, some seconds apart, have missed it."""

from datetime import UTC, datetime, timedelta

import pytest

from loops.lost.seen_twice import BETWEEN_LOOKS, FORGET_AFTER, SeenTwice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def seen() -> SeenTwice:
    return SeenTwice()


def look(seen: SeenTwice, *missing: str, after: timedelta, at: tuple[str, ...] = ()) -> list[str]:
    return seen.missing_again(missing, looked_at={*missing, *at}, now=NOW + after)


def test_one_look_proves_nothing(seen: SeenTwice) -> None:
    assert look(seen, "a", after=0 * SECOND) == []


@pytest.mark.parametrize(("apart", "found"), [(BETWEEN_LOOKS - SECOND, []), (BETWEEN_LOOKS, ["a"])])
def test_the_second_look_must_be_so_long_after_the_first(seen: SeenTwice, apart: timedelta, found: list[str]) -> None:
    look(seen, "a", after=0 * SECOND)
    assert look(seen, "a", after=apart) == found


def test_looks_in_quick_succession_count_from_the_first(seen: SeenTwice) -> None:
    for second in range(5):
        assert look(seen, "a", after=second * SECOND) == []
    assert look(seen, "a", after=BETWEEN_LOOKS) == ["a"]


def test_what_was_found_missing_is_forgotten(seen: SeenTwice) -> None:
    look(seen, "a", after=0 * SECOND)
    look(seen, "a", after=BETWEEN_LOOKS)
    assert look(seen, "a", after=BETWEEN_LOOKS + SECOND) == []


def test_a_task_that_was_there_in_between_begins_anew(seen: SeenTwice) -> None:
    look(seen, "a", after=0 * SECOND)
    look(seen, after=2 * SECOND, at=("a",))
    assert look(seen, "a", after=BETWEEN_LOOKS) == []


def test_a_look_at_others_says_nothing_of_it(seen: SeenTwice) -> None:
    look(seen, "a", after=0 * SECOND)
    look(seen, "b", after=2 * SECOND, at=("c",))
    assert look(seen, "a", after=BETWEEN_LOOKS) == ["a"]


@pytest.mark.parametrize(("away", "found"), [(FORGET_AFTER - SECOND, ["a"]), (FORGET_AFTER, [])])
def test_a_task_that_nobody_looked_at_for_long_was_heard_of(seen: SeenTwice, away: timedelta, found: list[str]) -> None:
    look(seen, "a", after=0 * SECOND)
    look(seen, after=away)
    assert look(seen, "a", after=away) == found


def test_many_are_told_in_the_order_in_which_they_are_missing(seen: SeenTwice) -> None:
    look(seen, "b", "a", "c", after=0 * SECOND)
    assert look(seen, "c", "a", after=BETWEEN_LOOKS, at=("b",)) == ["c", "a"]
