import asyncio

import pytest

from loops.loop import LONGEST_ROUND_SECONDS, Loop, run_loop
from tests.patience import PATIENCE_SECONDS


class Script:
    """A round that does what the script says, then stops the loop; it counts how often the loop waited."""

    def __init__(self, *steps: float | Exception) -> None:
        self._steps = list(steps)
        self.paused: list[float] = []

    async def run_once(self) -> float:
        if not self._steps:
            raise asyncio.CancelledError
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def wait(self, seconds: float) -> None:
        self.paused.append(seconds)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The sleeps of the loop itself, which take no time."""
    found: list[float] = []
    turn = asyncio.sleep

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        await turn(0)

    monkeypatch.setattr("loops.loop.asyncio.sleep", sleep)
    return found


async def run(script: Script) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await run_loop(Loop("script", script, script.wait))


async def test_between_rounds_it_waits_as_long_as_the_round_says(slept: list[float]) -> None:
    script = Script(1.5, 0.5)
    await run(script)
    assert (script.paused, slept) == ([1.5, 0.5], [])


async def test_a_round_with_more_to_do_is_followed_at_once_but_lets_others_run(slept: list[float]) -> None:
    script = Script(0, 0)
    await run(script)
    assert (script.paused, slept) == ([], [0, 0])


async def test_errors_are_tried_again_ever_more_slowly_up_to_a_bound(slept: list[float]) -> None:
    await run(Script(*(RuntimeError("down") for _ in range(7))))
    assert slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_good_round_ends_the_slowness(slept: list[float]) -> None:
    script = Script(RuntimeError(), RuntimeError(), 1.0, RuntimeError())
    await run(script)
    assert (slept, script.paused) == ([0.2, 0.4, 0.2], [1.0])


async def test_it_promises_to_come_round_before_and_after_each_round(slept: list[float]) -> None:
    given: list[tuple[str, float]] = []
    with pytest.raises(asyncio.CancelledError):
        await run_loop(Loop("script", script := Script(2.0), script.wait), give=lambda *word: given.append(word))
    assert given == [
        ("script", LONGEST_ROUND_SECONDS),
        ("script", 2.0 + LONGEST_ROUND_SECONDS),
        ("script", LONGEST_ROUND_SECONDS),
    ]
