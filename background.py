"""Tasks and threads that run beside everything else: how they are started, watched and ended.

A process is needed with all of its parts. One that lost a part looks well and is not, so an end that nobody asked for
is logged with the part's name and ends the process, with an exit code at which whoever started it starts it again.
That is as safe as a kill -9, which everything of ours outlives. Nothing else starts a task or a thread that outlives
the call that started it; a test of the architecture holds that.
"""

import asyncio
import os
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NoReturn, Self

import structlog

EXIT_CODE = 70
"""The exit code of a process of which a part ended unasked, or whose event loop hung: EX_SOFTWARE of sysexits.h."""
AGAIN_SECONDS = 0.1
LIMIT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
HUNG_SECONDS = 30
"""Far beyond the second for which any one thing may hold the event loop."""
TICK_SECONDS = 3.0

log = structlog.get_logger(__name__)


def _never() -> bool:
    return False


def end_process() -> NoReturn:
    """End the process at once, with nothing cleaned up: what is left of it cannot be trusted to."""
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def start(work: Coroutine[Any, Any, None], *, name: str, asked: Callable[[], bool] = _never) -> "asyncio.Task[None]":
    """Start a task that the process needs until it is cancelled, or until `asked` says that it may end."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(lambda ended: _look_at(ended, asked))
    return task


def start_rounds(
    once: Callable[[], Awaitable[object]], *, name: str, first_pause_seconds: float = FIRST_PAUSE_SECONDS
) -> "asyncio.Task[None]":
    """Start a task that repeats a round for ever; one that fails is logged and followed by the next."""
    return start(_repeat(once, name, first_pause_seconds=first_pause_seconds), name=name)


def start_thread(work: Callable[[], None], *, name: str, asked: Callable[[], bool]) -> threading.Thread:
    """Start a thread that the process needs until `asked` says that it may end."""
    thread = threading.Thread(target=_run_watched, args=(work, name), kwargs={"asked": asked}, name=name, daemon=True)
    thread.start()
    return thread


async def end(*tasks: "asyncio.Task[None]", limit_seconds: float = LIMIT_SECONDS) -> None:
    """Cancel these and wait until they have ended, 10 s at most if nothing else is said.

    They are cancelled again and again: on Python 3.11 `asyncio.wait_for`, through which redis-py sends every command,
    loses a cancellation that comes just as it is done (once in 60 stops of a busy API).
    """
    deadline = asyncio.get_running_loop().time() + limit_seconds
    running = set(tasks)
    while running and asyncio.get_running_loop().time() < deadline:
        for task in running:
            task.cancel()
        done, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)


class Resident(ABC):
    """An object that works beside everything else from `async with` until that is left; its tasks are watched as any.

    What comes before its tasks are started or after they have ended, a subclass does around these two methods.
    """

    _inner: "Resident | None" = None
    """One that its tasks lean on: it begins before them and ends after them."""
    _tasks: "Sequence[asyncio.Task[None]]" = ()

    async def __aenter__(self) -> Self:
        if self._inner is not None:
            await self._inner.__aenter__()
        self._tasks = self._start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await end(*self._tasks)
        if self._inner is not None:
            await self._inner.__aexit__(*raised)

    @abstractmethod
    def _start(self) -> "Sequence[asyncio.Task[None]]":
        """Starts the tasks of this object, through `start` or `start_rounds`."""


class Watchdog:
    """Ends the process if its event loop does not turn for `HUNG_SECONDS`: `async with Watchdog()`.

    The thread counts its own ticks instead of looking at a clock, so that a process that was stopped as a whole, or a
    machine that slept, is not taken for hung.
    """

    def __init__(self, *, tick_seconds: float = TICK_SECONDS, hung_seconds: float = HUNG_SECONDS) -> None:
        self._tick_seconds = tick_seconds
        self._hung_seconds = hung_seconds
        self._loop: asyncio.AbstractEventLoop
        self._missed = 0
        self._stopped = threading.Event()

    async def __aenter__(self) -> "Watchdog":
        self._loop = asyncio.get_running_loop()
        start_thread(self._watch, name="watchdog", asked=self._stopped.is_set)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        watched = threading.main_thread().ident
        while not self._stopped.wait(self._tick_seconds):
            if self._missed >= self._hung_seconds / self._tick_seconds:
                frame = sys._current_frames().get(watched or 0)
                where = traceback.format_stack(frame)[-5:] if frame else []
                log.critical("event_loop_hung", seconds=self._hung_seconds, where="".join(where))
                end_process()
            self._missed += 1
            with suppress(RuntimeError):  # closed: the process is ending, and has so many seconds for it
                self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._missed = 0


async def _repeat(once: Callable[[], Awaitable[object]], name: str, *, first_pause_seconds: float) -> None:
    pause = 0.0
    while True:
        try:
            await once()
            pause = 0.0
        except Exception as error:
            pause = min(pause * 2 or first_pause_seconds, LONGEST_PAUSE_SECONDS)
            log.exception("round_failed", part=name, error=type(error).__name__, again_in=pause)
            await asyncio.sleep(pause)


def _look_at(task: "asyncio.Task[None]", asked: Callable[[], bool]) -> None:
    # A cancellation that nobody ordered comes from inside: something that was awaited there had been cancelled.
    if task.cancelling() or asked():
        return
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    _end_unasked(task.get_name(), error)


def _run_watched(work: Callable[[], None], name: str, *, asked: Callable[[], bool]) -> None:
    error: BaseException | None = None
    try:
        work()
    except BaseException as caught:
        error = caught
    if not asked():
        _end_unasked(name, error)
    elif error is not None:
        log.warning("part_failed_at_its_end", part=name, error=type(error).__name__, exc_info=error)


def _end_unasked(name: str, error: BaseException | None) -> None:
    try:
        log.critical("part_ended", part=name, error=type(error).__name__ if error else None, exc_info=error)
    finally:
        end_process()
