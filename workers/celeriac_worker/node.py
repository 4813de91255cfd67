"""What one worker process knows of itself: its name and boot, whether it stands still, and what it has started."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

from celery.utils.log import get_logger
from celery.worker import state

from celeriac_worker.gate import Admission, Gate, GateUnreachableError

logger = get_logger(__name__)

ACCEPT_SECONDS = 10.0
"""A start that the pool has not taken on by then was thrown away with a lost connection: the broker sends it again."""


class Start(Protocol):
    """The part of a request that decides whether it starts, and tells what became of that (`requests.GatedRequest`)."""

    id: str
    run_key: str | None
    admitted: bool
    accepted: bool
    was_put_back: bool
    was_cancelled: bool
    found_silence: bool
    asked_at: float


class Node:
    """Shared by the threads of a worker. It stands still while `paused`, and while `blind`: Redis does not answer."""

    def __init__(self, name: str, redis_url: str, *, gates_before_pool: bool, on_change: Callable[[], object]) -> None:
        self.name = name
        self.boot_id = uuid.uuid4().hex
        self.gate = Gate(redis_url, name, boot_id=self.boot_id)
        self.gates_before_pool = gates_before_pool
        """Whether a request that is given to the pool starts there at once; elsewhere it waits in the pool's queue."""
        self.paused = False
        self.blind = False
        self._on_change = on_change
        """Called from any thread when a sign of life has begun or ended the standing still."""
        self._orders = 0
        # Held while Redis is told of ends, for at most 2 s: no start may come between what is seen and what is told.
        self._lock = threading.Lock()
        self._started: dict[str, Start] = {}
        """By run key, from before Redis is asked until it knows of the end."""
        self._doubtful: set[str] = set()
        """Run keys that may stand in Redis though nothing runs: the answer was lost, or Redis away."""

    @property
    def stands_still(self) -> bool:
        """Return whether nothing may start now."""
        return self.paused or self.blind

    def admit(self, request: Start) -> Admission:
        """Ask whether the request may start; with GO it is written down as started.

        A pause that comes while Redis is asked wins: what was not admitted before it is not admitted at all.
        """
        key = request.run_key
        with self._lock:
            if self.stands_still or request.was_put_back:
                return Admission.PAUSED
            if key is not None:
                if self._started.setdefault(key, request) is not request:
                    return Admission.RUNNING
                self._doubtful.discard(key)
            orders = self._orders
        admission = self._ask(request)
        with self._lock:
            if admission is Admission.PAUSED and not self.blind and orders == self._orders:
                self.paused = True
            if admission is Admission.GO and (self.stands_still or request.was_put_back):
                admission = Admission.PAUSED
            request.admitted = admission is Admission.GO
            if key is not None and not request.admitted:
                del self._started[key]
                if admission is Admission.PAUSED:
                    self._doubtful.add(key)
        return admission

    def take_back(self, request: Start) -> bool:
        """Return False if it was admitted, or taken back before; with True it will not be admitted any more."""
        with self._lock:
            if request.admitted or request.was_put_back:
                return False
            request.was_put_back = True
            return True

    def runs(self, run_key: str | None) -> bool:
        """Return whether this worker has started the task of this key, and Redis does not know of its end yet."""
        return run_key in self._started

    def order(self, *, paused: bool) -> None:
        """Let `paused` hold from here on, whatever `show_life` has been told before."""
        with self._lock:
            self.paused = paused
            self._orders += 1

    def show_life(self) -> None:
        """Say that this worker is alive, and obey the pause that is found. Raises GateUnreachableError."""
        orders, stood_still = self._orders, self.stands_still
        paused = self.gate.show_life()
        with self._lock:
            self.blind = False
            if orders == self._orders:
                self.paused = paused
        if stood_still is not self.stands_still:
            self._on_change()

    def write_down_ends(self) -> None:
        """Tell Redis of the starts that have ended, and take back those that came to nothing.

        Raises GateUnreachableError; what was not told is told the next time.
        """
        with self._lock:
            finished = [key for key, request in self._started.items() if _has_ended(request)]
            self.gate.finish(finished)
            for key in finished:
                del self._started[key]
            thrown_away = {key for key, request in self._started.items() if _came_to_nothing(request)}
            self._give_up(thrown_away | self._doubtful)

    def release(self, request: Start) -> None:
        """Let whoever gets the request's message next start it; the message goes back to the queue."""
        if request.admitted and request.run_key is not None:
            # Redis away: it stays doubtful, and is told when that is back.
            with self._lock, suppress(GateUnreachableError):
                self._give_up({request.run_key})

    def _give_up(self, keys: Collection[str]) -> None:
        self._doubtful.update(keys)
        for key in keys:
            self._started.pop(key, None)
        self.gate.release(list(keys))
        self._doubtful.clear()

    def _ask(self, request: Start) -> Admission:
        request.asked_at = time.monotonic()
        try:
            return self.gate.may_start(request.id, request.run_key, silence_is_death=request.found_silence)
        except GateUnreachableError as error:
            if not self.blind:
                logger.warning("Redis does not answer (%s): no task is started until it does.", error)
            self.blind = True
            return Admission.PAUSED


def _has_ended(request: Start) -> bool:
    return request.accepted and request not in state.active_requests and not request.was_cancelled


def _came_to_nothing(request: Start) -> bool:
    if not request.admitted or request in state.active_requests:
        return False
    return request.was_cancelled or (not request.accepted and time.monotonic() - request.asked_at > ACCEPT_SECONDS)
