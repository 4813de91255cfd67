"""How busy the worker's machine is, as far as Linux tells in /proc; elsewhere nothing is known."""

from __future__ import annotations

from pathlib import Path

_STAT, _MEMORY = Path("/proc/stat"), Path("/proc/meminfo")
_IDLE_FIELDS = (3, 4)
"""The fields of the line `cpu` that are idle: idle, and waiting for a disk."""


class HostLoad:
    """Percentages of the whole machine; None where they are not known."""

    def __init__(self) -> None:
        self._last = _processor_times()

    def cpu_percent(self) -> float | None:
        """Return the share of the processors in use since the last call."""
        before, self._last = self._last, _processor_times()
        if before is None or self._last is None:
            return None
        idle, total = (now - then for now, then in zip(self._last, before))
        return round(100 * (1 - idle / total), 1) if total > 0 else None

    def memory_percent(self) -> float | None:
        """Return the share of the memory that programs cannot have any more."""
        try:
            lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
            total, available = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        except (OSError, KeyError, ValueError):
            return None
        return round(100 * (1 - available / total), 1)


def _processor_times() -> tuple[int, int] | None:
    """Idle and total, in ticks since the machine started."""
    try:
        fields = [int(field) for field in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return (sum(fields[index] for index in _IDLE_FIELDS), sum(fields)) if len(fields) == 8 else None
