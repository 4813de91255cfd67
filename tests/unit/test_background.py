"""Tasks and threads that are watched, each killed in every way in which one can end."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from background import EXIT_CODE, Resident, Watchdog, end, start, start_rounds, start_thread
from tests.patience import until


class NoError(BaseException):
    """Nothing that goes on after an ordinary error goes on after this."""


async def stubborn(cancellations: list[int], *, swallows: int) -> None:
    """Goes on after so many cancellations."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancellations.append(1)
            if len(cancellations) > swallows:
                raise


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    cancellations: list[int] = []
    task = asyncio.create_task(stubborn(cancellations, swallows=2))
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    assert len(cancellations) == 3


async def test_a_task_that_cannot_be_ended_is_left_after_the_limit() -> None:
    cancellations: list[int] = []
    task = asyncio.create_task(stubborn(cancellations, swallows=10))
    await asyncio.sleep(0)
    await end(task, limit_seconds=0.3)
    assert not task.done()
    await end(task)
    assert task.cancelled()


async def test_tasks_that_have_failed_or_ended_are_no_hindrance() -> None:
    async def fail() -> None:
        raise ValueError

    async def succeed() -> None:
        return

    tasks = [asyncio.create_task(fail()), asyncio.create_task(succeed())]
    await asyncio.sleep(0)
    await end(*tasks)
    assert all(task.done() for task in tasks)


def raises(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def returns() -> None:
    pass


ENDS = {
    "ValueError": raises(ValueError("odd")),
    "MemoryError": raises(MemoryError()),
    "RecursionError": raises(RecursionError()),
    "NoError": raises(NoError()),
    "CancelledError": raises(asyncio.CancelledError()),
    None: returns,
}


@pytest.mark.parametrize("error", ENDS)
async def test_a_task_that_ends_unasked_is_named_and_ends_the_process(error: str, unasked_ends: list[int]) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        ENDS[error]()

    with capture_logs() as logs:
        start(work(), name="part")
        await until(lambda: unasked_ends)
    assert [(line["event"], line["part"], line["error"]) for line in logs] == [("part_ended", "part", error)]
    unasked_ends.clear()


@pytest.mark.parametrize("error", ENDS)
async def test_a_thread_that_ends_unasked_is_named_and_ends_the_process(error: str, unasked_ends: list[int]) -> None:
    with capture_logs() as logs:
        start_thread(ENDS[error], name="part", asked=lambda: False).join()
    assert [(line["event"], line["part"], line["error"]) for line in logs] == [("part_ended", "part", error)]
    assert unasked_ends == [EXIT_CODE]
    unasked_ends.clear()


async def test_what_was_asked_to_end_may_do_so_in_any_way() -> None:
    for wanted in ENDS.values():
        asked = asyncio.Event()

        async def work(asked: asyncio.Event = asked, wanted: Callable[[], None] = wanted) -> None:
            await asked.wait()
            wanted()

        task = start(work(), name="part", asked=asked.is_set)
        asked.set()
        await asyncio.wait({task})
        await asyncio.gather(task, return_exceptions=True)
        start_thread(wanted, name="part", asked=lambda: True).join()
    cancelled = start(asyncio.sleep(60), name="cancelled")
    await end(cancelled)
    assert cancelled.cancelled()


async def test_rounds_outlive_every_error_of_one_of_them() -> None:
    errors = [ValueError("odd"), MemoryError(), RecursionError(), OSError()]
    rounds: list[int] = []

    async def once() -> None:
        rounds.append(1)
        if errors:
            raise errors.pop()
        await asyncio.sleep(0.001)

    with capture_logs() as logs:
        task = start_rounds(once, name="part", first_pause_seconds=0.001)
        await until(lambda: len(rounds) > 6)
        await end(task)
    told = [(line["event"], line["error"]) for line in logs]
    assert told == [("round_failed", name) for name in ("OSError", "RecursionError", "MemoryError", "ValueError")]
    assert [line["again_in"] for line in logs] == [0.001, 0.002, 0.004, 0.008]


async def test_rounds_end_the_process_by_what_is_no_error(unasked_ends: list[int]) -> None:
    async def once() -> None:
        raise NoError

    start_rounds(once, name="part")
    await until(lambda: unasked_ends)
    unasked_ends.clear()


async def test_an_event_loop_that_hangs_ends_the_process_and_is_shown_where(unasked_ends: list[int]) -> None:
    with capture_logs() as logs:
        async with Watchdog(tick_seconds=0.01, hung_seconds=0.1):
            hang_until(lambda: bool(unasked_ends))
    assert logs[0]["event"] == "event_loop_hung"
    assert "hang_until" in logs[0]["where"]
    unasked_ends.clear()


def hang_until(fact: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1_000):
        if fact():
            return
        waiting.wait(0.01)


async def test_an_event_loop_that_turns_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []

    def turn(dog: Watchdog) -> None:
        ticks.append(1)
        dog._missed = 0

    monkeypatch.setattr(Watchdog, "_turn", turn)
    async with Watchdog(tick_seconds=0.001, hung_seconds=1.0):
        await until(lambda: len(ticks) > 20)


@pytest.mark.parametrize(
    "work",
    [
        "background.start(asyncio.sleep(0.01), name='part')",
        "background.start_thread(lambda: 1 / 0, name='part', asked=lambda: False)",
        "background.start(leave(), name='part')",
    ],
    ids=["a task", "a thread", "a task that wants to leave with 0"],
)
def test_the_process_ends_with_a_code_of_its_own(work: str) -> None:
    script = f"""
        import asyncio, background

        async def leave():
            raise SystemExit(0)

        async def main():
            task = {work}
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=50)
    assert done.returncode == EXIT_CODE == 70, done.stderr
    assert "part_ended" in done.stdout + done.stderr


class Counting(Resident):
    """Counts its rounds."""

    def __init__(self) -> None:
        self.rounds = 0

    def _start(self) -> "list[asyncio.Task[None]]":
        return [start_rounds(self._count, name="counting")]

    async def _count(self) -> None:
        self.rounds += 1
        await asyncio.sleep(0)


async def test_a_resident_works_until_it_is_left_and_its_tasks_end_with_it() -> None:
    async with Counting() as counting:
        await until(lambda: counting.rounds > 2)
    (task,) = counting._tasks
    assert task.cancelled()


async def test_a_resident_whose_task_ends_unasked_ends_the_process(unasked_ends: list[int]) -> None:
    class Ending(Resident):
        def _start(self) -> "list[asyncio.Task[None]]":
            return [start(asyncio.sleep(0), name="ending")]

    async with Ending():
        await until(lambda: unasked_ends)
    unasked_ends.clear()
