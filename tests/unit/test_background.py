import asyncio

import pytest

import background
from background import end


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


async def test_a_task_that_cannot_be_ended_is_left_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LIMIT_SECONDS", 0.3)
    cancellations: list[int] = []
    task = asyncio.create_task(stubborn(cancellations, swallows=10))
    await asyncio.sleep(0)
    await end(task)
    assert not task.done()
    monkeypatch.undo()
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
