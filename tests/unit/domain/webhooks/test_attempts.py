from datetime import UTC, datetime, timedelta

import pytest

from domain.webhooks.attempts import (
    LONGEST_RETRY_AFTER,
    MOST_ATTEMPTS,
    SCHEDULE,
    Answer,
    Failure,
    next_attempt,
    read_retry_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert Answer(status).is_success
    assert Answer(status).error is None


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 404, 410, 429, 500, 503])
def test_anything_else_is_a_failure_redirects_too(status: int) -> None:
    assert not Answer(status).is_success
    assert Answer(status).error == f"status {status}"
    assert Answer(status).is_gone is (status == 410)


def test_no_answer_is_told_as_a_category() -> None:
    assert Answer(failure=Failure.TIMEOUT).error == "timeout"
    assert not Answer(failure=Failure.TIMEOUT).is_success


def test_ten_attempts_spread_over_75_hours() -> None:
    at, times = NOW, 1
    while (again := next_attempt(times, Answer(500), now=at, jitter=0)) is not None:
        at, times = again, times + 1
    assert times == MOST_ATTEMPTS == 10
    assert at - NOW == sum(SCHEDULE, timedelta())
    assert 74 < (at - NOW) / timedelta(hours=1) < 76


@pytest.mark.parametrize(("jitter", "seconds"), [(-1, 4), (1, 6)])
def test_pauses_scatter_by_a_fifth(jitter: float, seconds: int) -> None:
    assert next_attempt(1, Answer(500), now=NOW, jitter=jitter) == NOW + timedelta(seconds=seconds)


def test_an_asked_pause_is_kept_where_it_is_the_longer_one() -> None:
    hour = timedelta(hours=1)
    assert next_attempt(1, Answer(503, retry_after=hour), now=NOW, jitter=0) == NOW + hour
    assert next_attempt(5, Answer(503, retry_after=hour), now=NOW, jitter=0) == NOW + SCHEDULE[4]


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (503, "120", 120),
        (429, " 7 ", 7),
        (429, "Sun, 01 Mar 2026 12:05:00 GMT", 300),
        (429, "Sun, 01 Mar 2026 12:05:00 -0000", 300),
        (429, "999999999999", LONGEST_RETRY_AFTER.total_seconds()),
        (429, "0", None),
        (429, "Sun, 01 Mar 2026 11:00:00 GMT", None),
        (429, "soon", None),
        (429, "\u0663", None),
        (429, None, None),
        (500, "120", None),
    ],
)
def test_how_long_an_endpoint_asks_to_be_left_alone(status: int, header: str | None, seconds: float | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert read_retry_after(status, header, now=NOW) == expected
