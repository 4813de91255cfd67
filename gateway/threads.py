"""A thread in which blocking broker calls run one after another, behind an async function.

Connections and channels of Celery and kombu must not be shared between threads: each user has a thread of its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from domain.errors import BrokerUnavailable
from gateway.connection import BROKER_ERRORS

CLEANUP_SECONDS = 5.0

T = TypeVar("T")


class BrokerThread:
    """One thread; started by the first call, gone after `close`."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"gateway-{name}")

    async def run(self, call: Callable[..., T], *args: Any, limit_seconds: float) -> T:
        """What `call` returns. Raises BrokerUnavailable for a broker's error, and after so many seconds.

        A call that is given up goes on in the thread until its own socket timeouts end it; later ones wait behind it.
        """
        try:
            async with asyncio.timeout(limit_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, partial(call, *args))
        except BROKER_ERRORS as error:
            raise BrokerUnavailable from error

    async def close(self, cleanup: Callable[[], object] | None = None) -> None:
        """Runs `cleanup` in the thread and ends it; a second time does nothing more."""
        try:
            if cleanup:
                await self.run(cleanup, limit_seconds=CLEANUP_SECONDS)
        except (BrokerUnavailable, RuntimeError):
            # The broker is gone, and the connection with it; or closed before (RuntimeError).
            self._executor.shutdown(wait=False, cancel_futures=True)
        else:
            self._executor.shutdown(wait=True)
