"""One child process of `celeriac up`: how it is started, what it prints, and how it is brought to its end.

When it is started again, and in which order children stop, is the supervisor's matter.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from cli.embedded.files import open_private
from domain.printable import printable

LOG_BYTES = 10_000_000
LONGEST_LINE_BYTES = 65_536
REST_SECONDS = 0.05
"""How long a child that prints little at a time is not read after that: lines together cost much less than alone. The
pipe holds 64 KiB meanwhile.
"""
LITTLE_BYTES = 4_096
LAST_OUTPUT_SECONDS = 1.0
STDOUT = 1
PRIVATE_UMASK = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What to run, and the signals that end it, each with the seconds it has; SIGKILL follows the last.

    `announces`: a word that it prints once it is ready, if anyone is to wait for that.
    `is_held`: it gets ready and then reads its stdin, which ends when the supervisor lets it go.
    `umask`: of the files that it makes; None leaves that of `up`.
    `stays_away`: asked after an exit with 0, again and again, whether it is wanted to stay away; it may block.
    `comes_back`: how it is brought back then, as the end of a sentence.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    stop_signals: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 10.0),)
    announces: str | None = None
    is_held: bool = False
    umask: int | None = PRIVATE_UMASK
    stays_away: Callable[[], bool] | None = field(default=None, repr=False)
    comes_back: str = ""


class _PrivateFileHandler(RotatingFileHandler):
    """Writes files that only their owner can read, each new one too: they hold errors of tasks."""

    def _open(self) -> TextIOWrapper:
        return open_private(Path(self.baseFilename))


class ChildLog:
    """Everything that a child prints: to stderr behind its name, unless `quiet`, and to a file that stays bounded."""

    def __init__(self, name: str, folder: Path, *, awaited: str | None = None, quiet: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prefix = f"{name:<9}| "
        self._file = _PrivateFileHandler(folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        self._partial = b""
        self._awaited = awaited
        self._quiet = quiet
        self.heard_awaited = False
        self.last_line = ""

    def feed(self, chunk: bytes) -> None:
        """Take what the child has printed; whole lines are written."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > LONGEST_LINE_BYTES:
            lines.append(self._partial)
            self._partial = b""
        if lines:
            # What a child prints may be what a client chose; the file is read on a terminal, too.
            self._write([printable(line.decode(errors="replace").rstrip("\r")) for line in lines])

    def close(self) -> None:
        """Write what is left of a line, and close the file."""
        if self._partial:
            self.feed(b"\n")
        self._file.close()

    def _write(self, lines: Sequence[str]) -> None:
        """All at once: an API under load prints thousands a second, and ten together cost what two cost alone."""
        self.last_line = next((line.strip() for line in reversed(lines) if line.strip()), self.last_line)
        self.heard_awaited |= self._awaited is not None and any(self._awaited in line for line in lines)
        self._file.emit(logging.makeLogRecord({"msg": "\n".join(lines)}))
        if self._quiet:
            return
        # Whoever read our stderr may be gone (`celeriac up 2>&1 | head`); the file still has the line.
        with contextlib.suppress(OSError):
            print("\n".join(f"{self._prefix}{line}" for line in lines), file=sys.stderr, flush=True)


class ChildProcess(asyncio.SubprocessProtocol):
    """One life of a child. A protocol, because `Process.wait()` also waits for grandchildren that hold the pipe."""

    def __init__(self, log: ChildLog) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._log = log
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def pid(self) -> int:
        assert self._transport is not None
        return self._transport.get_pid()

    def let_go(self) -> None:
        """End the stdin of a held child; once is enough, more does no harm."""
        assert self._transport is not None
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send these signals one after another; returns when the process is gone."""
        for step, seconds in steps:
            self._send(step)
            if (await asyncio.wait([self.exited], timeout=seconds))[0]:
                return
        self._send(signal.SIGKILL)
        await asyncio.shield(self.exited)

    async def close(self) -> None:
        """End, after the exit, what it left behind in its process group, and take its last output."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await asyncio.wait([self._drained], timeout=LAST_OUTPUT_SECONDS)
        assert self._transport is not None
        self._transport.close()

    def _rest(self) -> None:
        """Read on a little later."""
        assert self._transport is not None
        pipe = cast(asyncio.ReadTransport, self._transport.get_pipe_transport(STDOUT))
        pipe.pause_reading()
        asyncio.get_running_loop().call_later(REST_SECONDS, pipe.resume_reading)

    def _send(self, which: signal.Signals) -> None:
        assert self._transport is not None
        with contextlib.suppress(ProcessLookupError):
            self._transport.send_signal(which)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, _fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._log.feed(data)
        if len(data) < LITTLE_BYTES:
            self._rest()

    def process_exited(self) -> None:
        assert self._transport is not None
        code = self._transport.get_returncode()
        if code is not None and not self.exited.done():
            self.exited.set_result(code)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._drained.done():
            self._drained.set_result(None)


async def spawn(child: Child, log: ChildLog) -> ChildProcess:
    """Start it in a session of its own, so that Ctrl-C in the terminal reaches only the supervisor."""
    _, process = await asyncio.get_running_loop().subprocess_exec(
        lambda: ChildProcess(log),
        *child.command,
        env=child.environment,
        stdin=subprocess.PIPE if child.is_held else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=-1 if child.umask is None else child.umask,
    )
    return process
