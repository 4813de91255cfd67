"""Waiting for a fact, with a limit: the only place of the tests that sleeps and looks again.

`tests/architecture/test_patience.py` holds the others to it. What must not happen has no fact to wait for: it `stays`
away for a while that the test chooses.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar, cast, overload

PATIENCE_SECONDS = 120.0
"""Far more than anything takes, also on a machine that is slow and busy: it is used up only by what never comes."""
LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.2
"""Looks become rarer, to a tenth of what has been waited: at a stack they cost the processor what it waits for."""

Answer = TypeVar("Answer")


def wait_for(
    question: Callable[[], Answer | None],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    every: float = LOOK_SECONDS,
) -> Answer:
    """The first answer that is true. Raises AssertionError, which names `what` was awaited, if none is in time."""
    began = time.monotonic()
    for _ in moments(seconds, every=lambda: _pause_after(time.monotonic() - began, every)):
        if answer := question():
            return answer
    raise AssertionError(f"not within {seconds:g} s: {what or question}")


@overload
async def until(
    question: Callable[[], Awaitable[Answer | None]],
    what: str = ...,
    *,
    seconds: float = ...,
    every: float = ...,
) -> Answer: ...
@overload
async def until(
    question: Callable[[], Answer | None], what: str = ..., *, seconds: float = ..., every: float = ...
) -> Answer: ...
async def until(
    question: Callable[[], object],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    every: float = LOOK_SECONDS,
) -> object:
    """The same in asyncio, where the question may be one that has to be awaited; it is cut off at the limit too."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            while not (answer := await _answer(question)):  # noqa: ASYNC110  any fact, not only those that are announced
                await asyncio.sleep(_pause_after(time.monotonic() - began, every))
            return answer
    except TimeoutError as error:
        raise AssertionError(f"not within {seconds:g} s: {what or question}") from error


def stays(fact: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds for so long; for what must not happen, which has no end to wait for."""
    return all(fact() for _ in moments(seconds))


def moments(seconds: float, *, every: float | Callable[[], float] = LOOK_SECONDS) -> Iterator[None]:
    """One at once, and one again and again until so much time has passed; for what is done or looked at meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(every() if callable(every) else every)


def _pause_after(waited_seconds: float, least_seconds: float) -> float:
    return max(least_seconds, min(waited_seconds / 10, LONGEST_LOOK_SECONDS))


async def _answer(question: Callable[[], object]) -> object:
    answer = question()
    return await cast(Awaitable[object], answer) if inspect.isawaitable(answer) else answer
