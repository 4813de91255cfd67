"""Whether the components that all of this leans on are well: the one way to ask them, for health, metrics and alerts.

What does not answer in time is left, not awaited: a frozen server may hold even its cancellation. It is asked nothing
else until that question has ended, so that nothing piles up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from redis.asyncio import Redis

from domain.degradation import BROKER, RESULT_BACKEND
from domain.health import REDIS
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader

DEADLINE_SECONDS = 1.0
LAST_LOOK_SECONDS = 0.01

Check = Callable[[], Awaitable[object]]
"""Returns when the component has answered that it is well; raises Unwell or any other error when it is not."""

T = TypeVar("T")


class Unwell(Exception):
    """The word that a component is not well, and why. Other errors may hold secrets: their texts are not told."""


def reason_of(error: Exception) -> str:
    """Return why a component is not well, in words that may be shown to anybody."""
    return str(error) if isinstance(error, Unwell) else type(error).__name__


class Questions:
    """Asks each component, by its name, one question at a time."""

    def __init__(self) -> None:
        self._asking: dict[str, asyncio.Task[Any]] = {}

    def is_busy(self, name: str) -> bool:
        """Tell whether a question to the component has not ended yet."""
        return name in self._asking

    def ask(self, name: str, question: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
        """Return the question that is on its way, or else this one. Its error need not be looked at."""
        if name not in self._asking:
            task = self._asking[name] = asyncio.create_task(_as_coroutine(question), name=f"ask-{name}")
            task.add_done_callback(lambda ended: self._note_end(name, ended))
        return self._asking[name]

    async def answer(self, name: str, question: Callable[[], Awaitable[T]], *, within_seconds: float) -> T:
        """Return what the component answers. Raises its error, or Unwell where it does not answer in time."""
        if self.is_busy(name):
            raise Unwell("still busy with an abandoned check")
        task = self.ask(name, question)
        done, _ = await asyncio.wait({task}, timeout=within_seconds)
        if not done:  # perhaps because our own event loop was busy: an answer that has come meanwhile is read first
            done, _ = await asyncio.wait({task}, timeout=LAST_LOOK_SECONDS)
        if not done:
            task.cancel()
            raise Unwell("no answer in time")
        if task.cancelled():  # from inside: by whatever it waited for
            raise Unwell("gave up")
        return task.result()

    async def close(self, *, limit_seconds: float = DEADLINE_SECONDS) -> None:
        """Give up whatever is still being asked."""
        for task in self._asking.values():
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=limit_seconds)

    def _note_end(self, name: str, ended: "asyncio.Task[Any]") -> None:
        """Look at the error, also of one that was abandoned: asyncio logs those that nobody has looked at."""
        del self._asking[name]
        if not ended.cancelled():
            ended.exception()


class ComponentChecks:
    """Asks all components at once; `checks` go by the component's name."""

    def __init__(self, checks: Mapping[str, Check], *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._checks = checks
        self._deadline_seconds = deadline_seconds
        self._questions = Questions()

    async def ask(self) -> dict[str, Exception]:
        """Return what stands against each component; those that are well are left out. Takes as long as the
        deadline."""
        errors = await asyncio.gather(*map(self._ask, self._checks))
        return {name: error for name, error in zip(self._checks, errors, strict=True) if error}

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        await self._questions.close(limit_seconds=self._deadline_seconds)

    async def _ask(self, name: str) -> Exception | None:
        try:
            await self._questions.answer(name, self._checks[name], within_seconds=self._deadline_seconds)
        except Exception as error:
            return error
        return None


def server_checks(redis: Redis, *, queues: QueueReader, results: ResultReader) -> dict[str, Check]:
    """The checks of the servers beside the database, by the component's name."""
    return {REDIS: redis.ping, BROKER: queues.ping, RESULT_BACKEND: results.ping}


async def _as_coroutine(question: Callable[[], Awaitable[T]]) -> T:
    return await question()
