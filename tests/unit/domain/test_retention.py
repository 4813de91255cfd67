from datetime import timedelta

from domain.retention import Retention
from domain.states import TERMINAL, Status

SHORT, LONG, FOR_EVER = timedelta(days=30), timedelta(days=90), timedelta(0)


def test_every_end_has_an_age() -> None:
    ages = Retention(SHORT, LONG).ages()
    assert ages.keys() == TERMINAL
    assert {status for status, age in ages.items() if age == LONG} == {Status.FAILED}


def test_zero_is_for_ever() -> None:
    assert Retention(FOR_EVER, LONG).ages() == {Status.FAILED: LONG}
    assert Retention(FOR_EVER, FOR_EVER).ages() == {}


def test_events_live_the_longest_of_all_ages() -> None:
    assert Retention(SHORT, LONG).of_events == Retention(LONG, SHORT).of_events == LONG
    assert Retention(SHORT, FOR_EVER).of_events is None
    assert Retention(FOR_EVER, LONG).of_events is None


def test_news_of_unknown_tasks_counts_until_the_first_of_them_may_be_gone() -> None:
    assert Retention(SHORT, LONG).of_news == SHORT
    assert Retention(FOR_EVER, LONG).of_news == LONG
    assert Retention(FOR_EVER, FOR_EVER).of_news is None
