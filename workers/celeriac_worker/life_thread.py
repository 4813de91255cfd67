"""The thread that keeps a worker alive in Redis, also while its main process waits for the broker or runs a task."""

from __future__ import annotations

import os
import threading
import time

from celery.utils.log import get_logger

from celeriac_worker.gate import GateUnreachableError
from celeriac_worker.node import Node

logger = get_logger(__name__)

ENDS_SECONDS = 0.2
"""How long Redis may take an ended run for a running one."""
AGAIN_SECONDS = 1.0
LIFE_SECONDS = 2.0
"""A fifth of the time after which a silent worker counts as dead; also how soon a change of the pause key is seen."""

_round = threading.Lock()
"""Held by a round at work, and while this process forks.

A child that prefork makes in the midst of a round would inherit locks (of imports, of the C library's resolver) whose
owner does not exist there, and hang in its first task.
"""
os.register_at_fork(before=_round.acquire, after_in_parent=_round.release, after_in_child=_round.release)


class LifeThread:
    """Begins with `start` and ends with `stop`, which may be called twice."""

    def __init__(self, node: Node, *, again_seconds: float = AGAIN_SECONDS) -> None:
        self._again_seconds = again_seconds
        self._node = node
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celeriac-keeper", daemon=True)
        self._life_due = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, forget_pause: bool) -> None:
        """Tell of the last ends, and say goodbye."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._node.write_down_ends()
            self._node.gate.say_goodbye(forget_pause=forget_pause)
        except GateUnreachableError as error:
            logger.warning("Redis does not answer (%s): this worker counts as alive for up to 10 s.", error)
        self._node.gate.close()

    def run_once(self) -> None:
        """Show life and tell of ends once. Raises GateUnreachableError."""
        with _round:
            if time.monotonic() >= self._life_due:
                self._node.show_life()
                self._life_due = time.monotonic() + LIFE_SECONDS
            self._node.write_down_ends()

    def _run(self) -> None:
        """If it ended, this worker would pass for dead, and others run its tasks. It never ends its host."""
        while not self._stopped.is_set():
            try:
                self._keep_alive()
            except BaseException as error:
                logger.critical("What keeps this worker alive in Redis failed; it begins anew.", exc_info=error)
                self._stopped.wait(self._again_seconds)

    def _keep_alive(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            try:
                self.run_once()
                wait = ENDS_SECONDS
            except GateUnreachableError:
                # Who wants to start a task finds out, and logs it.
                wait = LIFE_SECONDS
