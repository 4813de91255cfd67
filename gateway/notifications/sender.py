"""Sends notifications through Apprise, which runs in processes of its own (`gateway/notifications/child.py`)."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from domain.notifications.delivery import Attempt, Outcome
from domain.notifications.messages import Text

SEND_SECONDS = 30.0
"""The bound of one message, from the start of its process on."""
LARGEST_ANSWER = 4_096
MAX_AT_ONCE = 4
"""Processes at a time; each takes some 60 MB while it is there."""
_PASSED_ON = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "TZ")


class Sender:
    """Sends messages, each by one of a few processes; `rest` ends those that have nothing to do."""

    def __init__(self, allowed: Sequence[str], *, seconds: float = SEND_SECONDS) -> None:
        self._allowed = list(allowed)
        self._seconds = seconds
        self._idle: list[Process] = []
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.rest()

    async def check(self, url: str) -> Attempt:
        """Tell whether Apprise makes anything of this URL; nothing is sent."""
        return await self._do({"url": url, "text": None})

    async def send(self, url: str, text: Text) -> Attempt:
        """Send a message; returns what became of it within a bounded time. It may have arrived whatever is said."""
        return await self._do({"url": url, "text": {"title": text.title, "body": text.body, "kind": text.kind.value}})

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[Self]:
        """Use it for once: afterwards no process is left that nobody uses, whatever went wrong."""
        try:
            yield self
        finally:
            await self.rest()

    async def rest(self) -> None:
        """End the processes that nobody uses; the next message starts one."""
        while self._idle:
            await _end(self._idle.pop())

    async def _do(self, job: dict[str, Any]) -> Attempt:
        async with self._turns:
            process = self._idle.pop() if self._idle else None
            is_well = False
            try:
                async with asyncio.timeout(self._seconds):
                    process = process or await _start()
                    attempt = await _ask(process, job | {"allowed": self._allowed})
                is_well = attempt is not None
                return attempt or Attempt(Outcome.FAILED)
            except TimeoutError:
                return Attempt(Outcome.TIMEOUT)
            finally:
                if process is not None and is_well:
                    self._idle.append(process)
                elif process is not None:
                    await _end(process)


async def _start() -> Process:
    """Start a process that holds nothing of ours: neither our environment nor our folder."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "gateway.notifications.child",
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=environment | {"NETRC": os.devnull, "HOME": os.sep, "LANG": "C.UTF-8"},
        cwd=os.sep,
        limit=LARGEST_ANSWER,
    )


async def _ask(process: Process, job: dict[str, Any]) -> Attempt | None:
    """What the process says of the job; None if it says nothing that makes sense, and cannot be asked again."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        await process.stdin.drain()
        answer = json.loads(await process.stdout.readline())
        return Attempt(Outcome(answer["outcome"]), answer["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _end(process: Process) -> None:
    """End a process, whatever it does just now."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
