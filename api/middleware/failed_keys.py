"""How often an address has shown keys that are none: beyond a number of them, it is told to wait.

Each process counts by itself, with nothing asked of Redis. Nobody's key stops to open: a client that shows a wrong one
again and again shares its address, behind a proxy, with those who show a right one.
"""

import time

MOST_FAILURES = 30
WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 10_000


class FailedKeys:
    """Failures by address, in windows that begin with the first."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        """When the window ends, on the monotonic clock, and the failures in it."""

    def add(self, address: str) -> None:
        """Count one more. Beyond `MAX_ADDRESSES` the window that began first is forgotten."""
        now = time.monotonic()
        ends_at, count = self._windows.get(address, (0.0, 0))
        if ends_at <= now:
            self._windows.pop(address, None)
            ends_at, count = now + WINDOW_SECONDS, 0
            if len(self._windows) >= MAX_ADDRESSES:
                del self._windows[next(iter(self._windows))]
        self._windows[address] = (ends_at, count + 1)

    def wait_seconds(self, address: str) -> int:
        """Return for how long the address is to wait; 0 for one that has failed seldom."""
        ends_at, count = self._windows.get(address, (0.0, 0))
        left = ends_at - time.monotonic()
        return max(1, int(left)) if count >= MOST_FAILURES and left > 0 else 0
