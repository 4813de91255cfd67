"""Finding the processes of a running system, and stopping them with SIGSTOP.

A stopped one keeps its connections and answers nothing, the worst that a server can do.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def server_of(up_pid: int, program: str) -> psutil.Process:
    """Return the server that this `celeriac up` runs. Raises LookupError if there is none."""
    for child in psutil.Process(up_pid).children():
        words = child.cmdline()
        if words and Path(words[0]).name.startswith(program):
            return child
    raise LookupError(program)


def door_of(up_pid: int, name: str) -> psutil.Process:
    """Return the first process of this `celeriac up` that runs `celeriac NAME`. Raises LookupError if there is none."""
    for child in psutil.Process(up_pid).children():
        if child.cmdline()[2:5] == ["-m", "cli", name]:
            return child
    raise LookupError(name)


@contextmanager
def frozen(processes: Sequence[psutil.Process]) -> Iterator[int]:
    """Stop them and all their descendants, parents first so that no new one escapes; yields the number of them."""
    stopped: list[psutil.Process] = []
    try:
        for process in processes:
            process.suspend()
            stopped.append(process)
            for child in process.children(recursive=True):
                child.suspend()
                stopped.append(child)
        yield len(stopped)
    finally:
        for process in reversed(stopped):
            with suppress(psutil.NoSuchProcess):
                process.resume()
