"""When a message is tried again, and what is said of an attempt."""

from itertools import count

import pytest

from domain.notifications.delivery import TRIED_FOR, Attempt, Outcome, wait_after


def test_the_waits_grow_and_stay_below_an_hour() -> None:
    waits = [wait_after(attempts).total_seconds() for attempts in range(1, 8)]
    assert waits == [5, 30, 120, 600, 1800, 1800, 1800]


def test_a_message_is_tried_some_fifty_times_in_a_day() -> None:
    left = TRIED_FOR
    for attempts in count(1):
        left -= wait_after(attempts)
        if left.total_seconds() <= 0:
            break
    assert attempts == 52


@pytest.mark.parametrize("outcome", Outcome)
def test_each_outcome_is_one_sentence(outcome: Outcome) -> None:
    assert Attempt(outcome).sentence.endswith(".")


def test_the_code_of_an_answer_is_told() -> None:
    assert Attempt(Outcome.REFUSED, 404).sentence.endswith("Its last answer had the code 404.")
    assert "404" not in Attempt(Outcome.DELIVERED, 404).sentence
