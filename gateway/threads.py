"""A thread in which blocking broker calls run one after another, behind an async function.

Connections and channels of Celery and kombu must not be shared between threads: each user has a thread of its own.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from redis.exceptions import NoPermissionError

from domain.errors import BrokerUnavailable
from gateway.connection import BROKER_ERRORS

CLEANUP_SECONDS = 5.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class BrokerThread:
    """One thread; started by the first call, gone after `close`. One that dies is replaced at the next call."""

    def __init__(self, name: str) -> None:
        self._name = f"gateway-{name}"
        self._thread: threading.Thread | None = None
        self._closed = False
        self._executor = self._open()

    async def run(self, call: Callable[..., T], *args: Any, limit_seconds: float) -> T:
        """Return what `call` returns. Raises BrokerUnavailable for a broker's error, and after so many seconds.

        A call that is given up goes on in the thread until its own socket timeouts end it; later ones wait behind it.
        """
        self._replace_dead()
        try:
            async with asyncio.timeout(limit_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, partial(call, *args))
        except BROKER_ERRORS as error:
            if isinstance(error, NoPermissionError):
                # Its words name the user and the command, and no argument.
                log.warning("right_missing", thread=self._name, error=str(error))
            raise BrokerUnavailable from error

    async def close(self, cleanup: Callable[[], object] | None = None) -> None:
        """Run `cleanup` in the thread and end it; a second time does nothing more."""
        try:
            if cleanup:
                await self.run(cleanup, limit_seconds=CLEANUP_SECONDS)
        except (BrokerUnavailable, RuntimeError):
            # The broker is gone, and the connection with it; or closed before (RuntimeError).
            self._closed = True
            self._executor.shutdown(wait=False, cancel_futures=True)
        else:
            self._closed = True
            self._executor.shutdown(wait=True)

    def _open(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name, initializer=self._note_thread)

    def _note_thread(self) -> None:
        self._thread = threading.current_thread()

    def _replace_dead(self) -> None:
        """No executor does it: all later calls would wait for nobody. Those that wait already run into their limit."""
        if self._thread is None or self._thread.is_alive() or self._closed:
            return
        log.critical("thread_replaced", thread=self._name)
        self._thread = None
        self._executor = self._open()
