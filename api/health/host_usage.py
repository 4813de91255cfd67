"""How busy the machine is that the API runs on."""

import time

import psutil

FRESH_SECONDS = 1.0


class HostUsage:
    """CPU and memory in percent; the CPU's is the mean since the previous reading, a second or more ago."""

    def __init__(self) -> None:
        psutil.cpu_percent(interval=None)  # the first reading is where the second counts from
        self._read_at = time.monotonic()
        self._cpu_percent: float | None = None

    def cpu_percent(self) -> float | None:
        """Return the CPU's share in use; None in the first second of the process."""
        now = time.monotonic()
        if now - self._read_at >= FRESH_SECONDS:
            self._cpu_percent = psutil.cpu_percent(interval=None)
            self._read_at = now
        return self._cpu_percent

    def memory_percent(self) -> float:
        """Return the share of all memory that is not available to new programs."""
        return psutil.virtual_memory().percent
