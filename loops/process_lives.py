"""Looks twice a second which of our processes have ended without being asked to, so that an alert names each.

It knows them by the subscription that each process holds (`services/resident/signs_of_life.py`). A process of which
none is left stays ended until another one of its kind is there.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.resident.signs_of_life import forget_lives, list_lives, process_of

ROUND_SECONDS = 0.5
RESUBSCRIBE_SECONDS = 3.0
"""How long after Redis, or our connection to it, was away all others take to subscribe again."""

log = structlog.get_logger(__name__)


class LivesRound:
    """Looks once; a life counts as ended when two looks in a row have missed it."""

    def __init__(self, redis: Redis, present_since: Callable[[], float | None]) -> None:
        """Prepare to look; `present_since` tells since when Redis knows of ourselves."""
        self._redis = redis
        self._present_since = present_since
        self._known: Collection[str] = ()
        self._missed: frozenset[str] = frozenset()
        self._ended: dict[str, float] = {}
        """By life, when it was first missed, on the monotonic clock."""
        self._living: frozenset[str] = frozenset()
        """Kinds of which a process is there."""
        self._changed = asyncio.Event()

    async def run_once(self) -> float:
        """Look; nothing is missed while Redis does not answer, or has just come back."""
        try:
            lives = await list_lives(self._redis, known=self._known)
        except (RedisError, OSError) as error:
            log.debug("lives_not_read", error=type(error).__name__)
            self._missed = frozenset()
            return ROUND_SECONDS
        self._known = lives.keys()
        since = self._present_since()
        if since is None or time.monotonic() - since < RESUBSCRIBE_SECONDS:
            self._missed = frozenset()
        else:
            self._compare(lives)
        return ROUND_SECONDS

    def ended(self) -> Mapping[str, float]:
        """Return for how many seconds a process has been missed, by its kind."""
        now = time.monotonic()
        seconds_by_process: dict[str, float] = {}
        for life, at in self._ended.items():
            process = process_of(life)
            seconds_by_process[process] = max(seconds_by_process.get(process, 0.0), now - at)
        return seconds_by_process

    async def wait(self, timeout_seconds: float) -> None:
        """Wait until another process has ended or come back, or `wake` is called, at most this long."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_seconds)
        except TimeoutError:
            return
        self._changed.clear()

    def wake(self) -> None:
        """End the wait of whoever waits for a change."""
        self._changed.set()

    async def forget(self, processes: Collection[str]) -> None:
        """Note that an alert was raised for the ends of these kinds of process, where there were any."""
        over = [life for life in self._ended if process_of(life) in processes and process_of(life) in self._living]
        try:
            await forget_lives(self._redis, over)
        except (RedisError, OSError) as error:
            log.debug("lives_not_read", error=type(error).__name__)
            return
        for life in over:
            self._ended.pop(life, None)

    def _compare(self, lives: Mapping[str, bool]) -> None:
        missed = frozenset(life for life, is_there in lives.items() if not is_there)
        now = time.monotonic()
        ended_before = self._ended
        self._ended = {life: ended_before.get(life, now) for life in missed & self._missed}
        for life in self._ended.keys() - ended_before.keys():
            log.warning("process_ended_unasked", process=process_of(life))
            self._changed.set()
        living = frozenset(process_of(life) for life, is_there in lives.items() if is_there)
        if living != self._living:
            self._living = living
            self._changed.set()
        self._missed = missed
