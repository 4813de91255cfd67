"""Answers that several share: who is content with one of a moment ago gets the one that was made for somebody else.

HTTP's own word for it is `Cache-Control: max-age=N` in the request. It is taken for `MAX_AGE_SECONDS` at most, and an
answer is as old as its question to the database. At most `MAX_ANSWERS` are in mind, each as small as a last answer.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Scope

from api.middleware.scopes import headers_of
from api.resilience.last_answers import LastAnswer

MAX_AGE_SECONDS = 5
MAX_ANSWERS = 128
_FRESH_ONLY = frozenset({"no-cache", "no-store"})


@dataclass(frozen=True, slots=True)
class _Made:
    begun: float
    body: "asyncio.Future[bytes | None]"
    """Is None once it went wrong: that is no answer to anybody else."""


class SharedAnswers:
    """`answer = await shared.find(question, max_age=1)`, else `with shared.make(question) as body: ...`."""

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    async def find(self, question: str, *, max_age: int) -> LastAnswer | None:
        """Return the answer that was begun within these seconds, once it is there; None if it went wrong or nobody
        has asked.
        """
        made = self._made.get(question)
        if made is None or time.monotonic() - made.begun > max_age:
            return None
        body = await asyncio.shield(made.body)
        return None if body is None else LastAnswer(body, time.monotonic() - made.begun)

    @contextmanager
    def make(self, question: str) -> Iterator["asyncio.Future[bytes | None]"]:
        """Let the block make the answer; whoever asks meanwhile waits for it, and whoever asks next may have it too."""
        made = _Made(time.monotonic(), asyncio.get_running_loop().create_future())
        self._made.pop(question, None)
        self._made[question] = made
        self._forget(before=made.begun - MAX_AGE_SECONDS)
        try:
            yield made.body
        finally:
            if not made.body.done():
                made.body.set_result(None)

    def _forget(self, *, before: float) -> None:
        """Drops what is too old for everybody, and the oldest of too many; they stand in the order of their age."""
        while self._made:
            question, made = next(iter(self._made.items()))
            if made.begun >= before and len(self._made) <= MAX_ANSWERS:
                return
            del self._made[question]


def accepted_age(scope: Scope) -> int:
    """Return how old an answer may be, in whole seconds; 0 where the client has not said that it may."""
    words = {word.strip().lower() for line in headers_of(scope, b"cache-control") for word in line.split(",")}
    if words & _FRESH_ONLY:
        return 0
    ages = [word.removeprefix("max-age=") for word in words if word.startswith("max-age=")]
    return min(int(ages[0]), MAX_AGE_SECONDS) if len(ages) == 1 and ages[0].isdecimal() and len(ages[0]) < 10 else 0
