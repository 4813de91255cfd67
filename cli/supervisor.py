"""Keeps children alive: starts them, starts them again when they die, and stops them in a given order.

It knows processes and signals, and nothing of databases or Celery; what `celeriac up` starts is in
`cli/up.py`. Why it is our own: docs/adr/0002-own-supervisor.md.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import background
from cli.child import Child, ChildLog, ChildProcess, spawn
from cli.errors import CliError
from domain.sentences import plural

PROBE_SECONDS = 0.05
DEATHS_WHILE_STARTING = 5
REST_SECONDS = 1.0
CLEAN_EXIT = "exit code 0"
LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits between two lives of a child: doubling from `first` to `longest`, anew after a life of `steady`."""

    first_seconds: float = 0.2
    longest_seconds: float = 5.0
    steady_seconds: float = 30.0

    def after(self, previous_seconds: float, *, lifetime_seconds: float) -> float:
        """Return how long to wait after a life of so many seconds that followed this wait."""
        if not previous_seconds or lifetime_seconds >= self.steady_seconds:
            return self.first_seconds
        return min(previous_seconds * 2, self.longest_seconds)


@dataclass(frozen=True, slots=True)
class ChildState:
    """How a child is at this moment."""

    name: str
    word: str
    """`runs`, `drained` (it ended and is wanted to stay away) or `down` (it is between two lives)."""
    deaths: int
    last_exit: str


@dataclass(slots=True)
class _Running:
    child: Child
    log: ChildLog
    stopping: asyncio.Future[None]
    task: asyncio.Task[None] | None = None
    process: ChildProcess | None = None
    let_go: bool = False
    deaths: int = 0
    deaths_in_a_row: int = 0
    """How often it has died without a steady life in between."""
    last_exit: str = ""
    rests: bool = False


class Supervisor:
    """Keeps the children of one process alive, by name. `quiet`: what they print goes to their files alone."""

    def __init__(self, logs: Path, *, backoff: Backoff | None = None, quiet: bool = False) -> None:
        self._logs = logs
        self._quiet = quiet
        self._backoff = backoff or Backoff()
        self._running: dict[str, _Running] = {}

    def start(self, child: Child) -> None:
        """Start the child and keep it alive until `stop`."""
        stopping = asyncio.get_running_loop().create_future()
        running = _Running(
            child, ChildLog(child.name, self._logs, awaited=child.announces, quiet=self._quiet), stopping
        )
        self._running[child.name] = running
        running.task = background.start(self._keep_alive(running), name=f"keep-{child.name}", asked=stopping.done)

    async def until(self, probe: Callable[[], bool], *names: str, within_seconds: float | None = None) -> None:
        """Wait until the blocking `probe` says yes.

        Raises CliError at the time limit, or if one of the named children (all, if none is named) keeps dying.
        """
        deadline = time.monotonic() + (within_seconds or float("inf"))
        while not await asyncio.to_thread(probe):
            for name in names or self._running:
                if self._running[name].deaths >= DEATHS_WHILE_STARTING:
                    raise CliError(self._failure(self._running[name]))
            if time.monotonic() > deadline:
                waited_for = ", ".join(names or self._running)
                raise CliError(f"Not ready after {within_seconds:.0f} s: {waited_for} (more in {self._logs}).")
            await asyncio.sleep(PROBE_SECONDS)

    async def run(self, child: Child) -> None:
        """Run a child that ends by itself; any other exit code than 0 is a CliError."""
        log = ChildLog(child.name, self._logs, quiet=self._quiet)
        process = await spawn(child, log)
        try:
            code = await asyncio.shield(process.exited)
        finally:
            await process.stop(child.stop_signals)
            await process.close()
            log.close()
        if code:
            raise CliError(f"`{child.name}` failed: {log.last_line}")

    async def stop(self, *names: str) -> None:
        """Stop these children side by side; unknown and stopped ones are no complaint."""
        await asyncio.gather(*(self._stop(self._running[name]) for name in names if name in self._running))
        for name in names:
            self._running.pop(name, None)

    def let_go(self, name: str) -> None:
        """Let a held child begin, in this life and in all later ones."""
        running = self._running[name]
        running.let_go = True
        if running.process is not None and not running.process.exited.done():
            running.process.let_go()

    def has_announced(self, name: str) -> bool:
        """Tell whether the child has printed the word that it announces its readiness with."""
        return self._running[name].log.heard_awaited

    def pid(self, name: str) -> int | None:
        """Return the pid of the child's present life, None between two lives."""
        process = self._running[name].process if name in self._running else None
        return process.pid if process is not None and not process.exited.done() else None

    def states(self) -> list[ChildState]:
        """Return how each child is, in the order in which they were started."""
        return [
            ChildState(name, self._word(running), running.deaths, running.last_exit)
            for name, running in self._running.items()
        ]

    def _word(self, running: _Running) -> str:
        if self.pid(running.child.name) is not None:
            return "runs"
        return "drained" if running.rests else "down"

    async def _keep_alive(self, running: _Running) -> None:
        """Start the child again whatever goes wrong: ever more slowly, and for ever."""
        delay = 0.0
        while not running.stopping.done():
            began = time.monotonic()
            ended, rested = await self._live_and_rest(running)
            if rested:
                delay = 0.0
            elif not running.stopping.done():
                delay = self._backoff.after(delay, lifetime_seconds=time.monotonic() - began)
                self._record_death(running, ended, delay=delay)
                await asyncio.wait([running.stopping], timeout=delay)
        running.log.close()

    async def _live_and_rest(self, running: _Running) -> tuple[str, bool]:
        """How a life ended, and whether it was followed by a rest."""
        try:
            ended = await self._live_once(running)
            return ended, ended == CLEAN_EXIT and await self._rest(running)
        except Exception as error:
            if running.process is not None:
                await running.process.stop(())
            return f"not kept: {type(error).__name__}: {error}", False

    async def _rest(self, running: _Running) -> bool:
        """Waits for as long as the child is wanted to stay away; False if it is not."""
        rested = False
        while not running.stopping.done() and await self._is_unwanted(running):
            if not rested:
                words = f"celeriac: {running.child.name} ended and stays away {running.child.comes_back}".rstrip()
                print(words, file=sys.stderr, flush=True)
            rested = running.rests = True
            await asyncio.wait([running.stopping], timeout=REST_SECONDS)
        running.rests = False
        return rested

    async def _is_unwanted(self, running: _Running) -> bool:
        """Asks in a thread; a stop does not wait for the answer, which a frozen server may never give."""
        if running.child.stays_away is None:
            return False
        asked = asyncio.ensure_future(asyncio.to_thread(running.child.stays_away))
        ends: set[asyncio.Future[bool] | asyncio.Future[None]] = {asked, running.stopping}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return asked.done() and asked.result()

    async def _live_once(self, running: _Running) -> str:
        """Start the process and wait for its end, by itself or by `stop`; returns how it ended."""
        try:
            process = running.process = await spawn(running.child, running.log)
        except OSError as error:
            return f"not started: {error}"
        if running.let_go:
            process.let_go()
        ends: set[asyncio.Future[int] | asyncio.Future[None]] = {process.exited, running.stopping}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if running.stopping.done():
            await process.stop(running.child.stop_signals)
        code = await process.exited
        await process.close()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def _stop(self, running: _Running) -> None:
        if not running.stopping.done():
            running.stopping.set_result(None)
        assert running.task is not None
        await running.task

    def _record_death(self, running: _Running, ended: str, *, delay: float) -> None:
        running.deaths += 1
        running.deaths_in_a_row = 1 if delay == self._backoff.first_seconds else running.deaths_in_a_row + 1
        running.last_exit = ended
        message = f"celeriac: {running.child.name} ended ({ended}); again in {delay:.1f} s"
        if running.deaths_in_a_row > 1:
            last = running.log.last_line[:LONGEST_WORDS] or "nothing"
            message += f"; {running.deaths_in_a_row} times in a row, it said last: {last}"
        print(message, file=sys.stderr, flush=True)

    def _failure(self, running: _Running) -> str:
        times = plural(running.deaths, "time")
        return (
            f"{running.child.name} ended {times} while starting, last with {running.last_exit}: "
            f"{running.log.last_line or 'it printed nothing'} (more in {self._logs / running.child.name}.log)."
        )
