"""Answers that are shared, each by itself: who gets which, and which are forgotten."""

import asyncio

import pytest

from api.resilience import shared_answers as module
from api.resilience.shared_answers import MAX_AGE_SECONDS, MAX_ANSWERS, SharedAnswers, accepted_age


class Clock:
    """Stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 0),
        (["max-age=1"], 1),
        (["private, MAX-AGE=2"], 2),
        (["max-age=3600"], MAX_AGE_SECONDS),
        (["max-age=0"], 0),
        (["max-age=-1"], 0),
        (["max-age=1.5"], 0),
        (["max-age=²"], 0),
        (["max-age=" + "9" * 5_000], 0),
        (["max-age=1", "max-age=2"], 0),
        (["max-age=1, no-cache"], 0),
        (["max-age=1", "no-store"], 0),
        (["max-stale=5"], 0),
    ],
)
def test_an_age_is_accepted_where_the_client_says_so_in_whole_seconds(lines: list[str], seconds: int) -> None:
    headers = [(b"cache-control", line.encode("latin-1", "replace")) for line in lines]
    assert accepted_age({"type": "http", "headers": headers}) == seconds


async def test_an_answer_is_as_old_as_its_question(clock: Clock) -> None:
    shared = SharedAnswers()
    with shared.make("a") as body:
        clock.now += 0.75
        body.set_result(b"1")
    clock.now += 0.25
    answer = await shared.find("a", max_age=1)
    assert answer is not None
    assert (answer.body, answer.age_seconds) == (b"1", 1.0)
    clock.now += 0.01
    assert await shared.find("a", max_age=1) is None
    assert await shared.find("a", max_age=2) is not None
    assert await shared.find("b", max_age=2) is None


async def test_what_went_wrong_is_no_answer(clock: Clock) -> None:
    shared = SharedAnswers()
    with shared.make("a"):
        waiting = asyncio.ensure_future(shared.find("a", max_age=1))
        await asyncio.sleep(0)
    assert await waiting is None
    assert await shared.find("a", max_age=1) is None


async def test_who_gives_up_waiting_takes_the_answer_from_nobody_else(clock: Clock) -> None:
    shared = SharedAnswers()
    with shared.make("a") as body:
        impatient, patient = (asyncio.ensure_future(shared.find("a", max_age=1)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait({impatient})
        body.set_result(b"1")
    answer = await patient
    assert answer is not None
    assert answer.body == b"1"


async def test_what_is_too_old_for_everybody_and_the_oldest_of_too_many_are_forgotten(clock: Clock) -> None:
    shared = SharedAnswers()
    for number in range(MAX_ANSWERS + 1):
        with shared.make(str(number)) as body:
            body.set_result(b"")
    assert await shared.find("0", max_age=1) is None
    assert await shared.find("1", max_age=1) is not None
    clock.now += MAX_AGE_SECONDS + 0.1
    with shared.make("new") as body:
        body.set_result(b"")
    assert list(shared._made) == ["new"]
