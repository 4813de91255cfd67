"""What every loop is: rounds, a wait between them, back-off after an error, a clean stop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 5.0
LONGEST_ROUND_SECONDS = 120.0
"""A loop whose round takes longer, or that comes so late to its next one, gives no sign of life."""

log = structlog.get_logger(__name__)


class Round(Protocol):
    """The work of a loop."""

    async def run_once(self) -> float:
        """Do one round; returns after how many seconds the next is due, 0 for at once."""


Waits = Callable[[float], Awaitable[object]]
"""Waits at most this many seconds; may return sooner because there is something to do."""

Gives = Callable[[str, float], None]
"""Is told by a loop that it works, and for how many seconds that holds."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A named round and what it waits on in between."""

    name: str
    round: Round
    wait: Waits = asyncio.sleep


async def run_loop(loop: Loop, *, give: Gives = lambda _name, _seconds: None) -> None:
    """Repeat the round until cancelled. An error is logged and tried again, ever more slowly."""
    backoff = 0.0
    log.info("loop_ready", loop=loop.name)
    while True:
        give(loop.name, LONGEST_ROUND_SECONDS)
        try:
            pause = await loop.round.run_once()
        except Exception as error:  # a loop that dies of one bad round would stop everything it does
            backoff = min(backoff * 2 or FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS)
            log.warning(
                "loop_round_failed",
                loop=loop.name,
                error=type(error).__name__,
                detail=_first_line(error),
                again_in=backoff,
            )
            await asyncio.sleep(backoff)
            continue
        backoff = 0.0
        if pause:
            give(loop.name, pause + LONGEST_ROUND_SECONDS)
            await loop.wait(pause)
        else:
            await asyncio.sleep(0)


def _first_line(error: Exception) -> str:
    """Enough to understand; parameters of a statement, which may be task arguments, stand on later lines."""
    return (str(error).splitlines() or [""])[0][:300]
