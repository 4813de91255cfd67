"""What a running system has used of the processors, by the parts that it consists of: each with all its processes."""

from collections.abc import Mapping
from contextlib import suppress

import psutil

Parts = Mapping[str, psutil.Process]
"""The first process of each part, by the part's name."""
Spent = dict[str, float]
"""Seconds of processor time, by the part's name."""

POOL = "pool"
UP = "up"


def parts_of_up(pid: int) -> dict[str, psutil.Process]:
    """Return `celeriac up` itself and each of its children: the servers, our processes and the worker."""
    up = psutil.Process(pid)
    return {UP: up} | {_name_of(child): child for child in up.children()}


def spent_below() -> Spent:
    """Return what each kind of process started from here has used so far, however many there are of it."""
    spent: Spent = {}
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            for name, seconds in spent_by({_name_of(child): child}).items():
                spent[name] = spent.get(name, 0.0) + seconds
    return spent


def spent_by(parts: Parts) -> Spent:
    """Return what each part has used so far, with its children, ended ones included. A worker's pool is a part."""
    spent: Spent = {}
    for name, process in parts.items():
        spent[name] = _own(process)
        if name != UP:  # its children are the other parts
            below = POOL if name == "worker" else name
            spent[below] = spent.get(below, 0.0) + _below(process)
    return spent


def since(before: Spent, after: Spent) -> Spent:
    """Return what was used in between."""
    return {name: seconds - before[name] for name, seconds in after.items()}


def _own(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def _below(process: psutil.Process) -> float:
    used = process.cpu_times()
    total = used.children_user + used.children_system
    for child in process.children():
        with suppress(psutil.NoSuchProcess):  # from now on its parent has what it used
            total += _own(child) + _below(child)
    return total


def _name_of(process: psutil.Process) -> str:
    command = process.cmdline()
    if "cli" in command:
        return command[command.index("cli") + 1]
    program = command[0].rpartition("/")[2] if command else process.name()
    return next((server for server in ("postgres", "valkey") if server in program), program)
