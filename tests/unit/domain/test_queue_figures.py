from datetime import timedelta

from domain.queue_figures import QueueRates, rates_of, seconds_until_empty
from domain.trends import Sums, Window
from tests.facts import NOON

WINDOW = Window(since=NOON, until=NOON + timedelta(minutes=4))


def test_rates_are_of_a_minute() -> None:
    assert rates_of(Sums(submitted=8, waits=2, completed=7), WINDOW) == QueueRates(incoming=2.0, outgoing=0.5)
    assert rates_of(None, WINDOW) == QueueRates(incoming=0.0, outgoing=0.0)


def test_a_queue_is_empty_once_what_goes_beyond_what_comes_has_taken_it_away() -> None:
    assert seconds_until_empty(40, QueueRates(incoming=10, outgoing=30)) == 120.0
    assert seconds_until_empty(0, QueueRates(incoming=10, outgoing=0)) == 0.0


def test_a_queue_that_does_not_shrink_or_is_not_seen_is_never_said_to_be_empty() -> None:
    assert seconds_until_empty(40, QueueRates(incoming=10, outgoing=10)) is None
    assert seconds_until_empty(None, QueueRates(incoming=0, outgoing=10)) is None
