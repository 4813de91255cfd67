from datetime import UTC, datetime, timedelta

import pytest

from domain.api_keys import TurnedAway
from services.resident import turned_away
from services.resident.turned_away import MAX_MINUTES, TurnedAwayCounts

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def counts() -> TurnedAwayCounts:
    return TurnedAwayCounts()


def test_requests_are_counted_by_the_minute_with_the_latest(counts: TurnedAwayCounts) -> None:
    counts.add(NOON, source="10.0.0.7")
    counts.add(NOON + 5 * SECOND, source="10.0.0.8")
    counts.add(NOON + 60 * SECOND, source="10.0.0.9")
    assert counts.take() == [
        TurnedAway(NOON, 2, NOON + 5 * SECOND, "10.0.0.8"),
        TurnedAway(NOON + 60 * SECOND, 1, NOON + 60 * SECOND, "10.0.0.9"),
    ]


def test_what_comes_right_after_a_write_waits_for_the_next(
    counts: TurnedAwayCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts.add(NOON, source="10.0.0.7")
    assert counts.take()
    counts.add(NOON, source="10.0.0.7")
    assert counts.take() == []
    monkeypatch.setattr(turned_away, "PAUSE_SECONDS", 0.0)
    assert [each.count for each in counts.take()] == [1]


def test_what_could_not_be_written_is_counted_with_what_came_since(
    counts: TurnedAwayCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turned_away, "PAUSE_SECONDS", 0.0)
    counts.add(NOON - 60 * SECOND, source="10.0.0.6")
    counts.add(NOON, source="10.0.0.7")
    taken = counts.take()
    counts.add(NOON + SECOND, source="10.0.0.8")
    counts.give_back(taken)
    assert counts.take() == [taken[0], TurnedAway(NOON, 2, NOON + SECOND, "10.0.0.8")]


def test_an_hour_is_kept(counts: TurnedAwayCounts) -> None:
    for minute in range(MAX_MINUTES + 5):
        counts.add(NOON + minute * 60 * SECOND, source="10.0.0.7")
    kept = counts.take()
    assert len(kept) == MAX_MINUTES
    assert kept[0].minute == NOON + 5 * 60 * SECOND
