"""One look at the database for many loops, so that those with nothing to do need not each ask by themselves.

A loop that leans on it rests after its pause until the look finds something for it. It comes round once in a while
without that too: a look that is wrong then delays work, and loses none.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from loops.loop import Loop
from loops.workers.control import KEYS_SECONDS
from loops.workers.nodes import MAX_AGE, MOST_STRANGERS, WATCHED_AGE
from store.look import Asks
from store.queries.glance import Waiting, glance_statement, read_glance

ROUND_SECONDS = 0.5
"""How soon what nobody has notified is found, such as a task that falls due while another process has claimed it."""
LONGEST_REST_SECONDS = 30.0
STATEMENT = glance_statement(max_age=MAX_AGE, watched_age=WATCHED_AGE, most_strangers=MOST_STRANGERS)


WAITS_FOR: Mapping[Waiting, str] = {
    Waiting.REFUSED_DUE: "refused",
    Waiting.CANCELS: "cancels",
    Waiting.ORPHANS: "rescue",
    Waiting.UNSERVED_QUEUES: "queues",
    Waiting.WORDS: "search_index",
    Waiting.COUNTS: "rollups",
    Waiting.UNDESCRIBED_NODES: "nodes",
    Waiting.UNASKED_OF_EVENTS: "nodes",
    Waiting.DIVERGED_WORKERS: "control",
    Waiting.UNSEALED_ROWS: "seals",
    Waiting.ALERTS_TO_TELL: "notifications",
}
"""The loops that rest until there is something for them, by what that is."""


class Wakes(Protocol):
    """The part of `Rest` and of `store.listener.Listener` that the look needs."""

    def wake(self) -> None: ...


class Rest:
    """How a loop waits: for the pause that its round asks for, and then until somebody wakes it."""

    def __init__(self, *, longest_seconds: float = LONGEST_REST_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let it come round; at once where its pause is over."""
        self._woken.set()

    async def wait(self, pause_seconds: float) -> None:
        """Wait for the pause, and from then on until it was woken since it last came round."""
        await asyncio.sleep(pause_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._longest_seconds - pause_seconds)):
                await self._woken.wait()
        self._woken.clear()


def with_rests(
    loops: Sequence[Loop], *, notified: Mapping[Waiting, Wakes]
) -> tuple[list[Loop], Mapping[Waiting, Wakes]]:
    """Return the loops, those of `WAITS_FOR` resting, and who is woken for what, with those that are `notified`."""
    # A Redis that was emptied soon has the pause keys again, which the round of `control` sees to.
    rests = {name: Rest(longest_seconds=KEYS_SECONDS) if name == "control" else Rest() for name in WAITS_FOR.values()}
    resting = [replace(loop, wait=rests[loop.name].wait) if loop.name in rests else loop for loop in loops]
    return resting, {**notified, **{waiting: rests[name] for waiting, name in WAITS_FOR.items()}}


class GlanceRound:
    """Looks once and wakes those for whom there is something; all of them where it cannot look."""

    def __init__(self, look: Asks, resting: Mapping[Waiting, Wakes]) -> None:
        """Prepare to look with `STATEMENT`; who describes nodes is woken also when they come, go or were described by
        somebody else.
        """
        self._look = look
        self._resting = resting
        self._consumers_told: Sequence[object] | None = None

    async def run_once(self) -> float:
        """Look, and wake. Raises what the database raises: then all look by themselves, and say what is wrong."""
        try:
            found = read_glance(await self._look.ask())
        except Exception:
            for rest in self._resting.values():
                rest.wake()
            raise
        for waiting in found.waiting & self._resting.keys():
            self._resting[waiting].wake()
        if found.consumers_told != self._consumers_told:
            self._consumers_told = found.consumers_told
            if nodes := self._resting.get(Waiting.UNDESCRIBED_NODES):
                nodes.wake()
        return ROUND_SECONDS
