"""Found by Python at its start where a test put this folder on PYTHONPATH: ends a thread or a task that is named to it.

The name is read from a file called like the process's pid. What is raised there is no Exception, so nothing that
goes on after an ordinary error survives it. Not for anything but tests.
"""

import asyncio
import ctypes
import os
import sys
import threading
import time
from pathlib import Path

POLL_SECONDS = 0.02


class KilledByTest(BaseException):
    """Raised where the test wants an end."""


def end_part(name: str) -> bool:
    """Raises in the thread of this name, or else in the asyncio task of this name; False if there is neither yet."""
    thread = next((thread for thread in threading.enumerate() if thread.name.startswith(name)), None)
    if thread is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KilledByTest))
        return True
    for task in list(getattr(asyncio.tasks, "_scheduled_tasks", None) or asyncio.tasks._all_tasks):  # type: ignore[attr-defined]
        if task.get_name() == name and not task.done():
            task.get_loop().call_soon_threadsafe(_fail, task)
            return True
    return False


def _fail(task: "asyncio.Task[object]") -> None:
    waited_for = task._fut_waiter  # type: ignore[attr-defined]
    if waited_for is None or waited_for.done():
        task.get_loop().call_soon(_fail, task)
        return
    while getattr(waited_for, "_fut_waiter", None) is not None and not isinstance(waited_for, asyncio.Task):
        waited_for = waited_for._fut_waiter
    if isinstance(waited_for, asyncio.Task):
        _fail(waited_for)
    else:
        waited_for.set_exception(KilledByTest())


def _obey(folder: Path) -> None:
    order = folder / str(os.getpid())
    while True:
        time.sleep(POLL_SECONDS)
        if order.exists() and end_part(order.read_text()):
            order.unlink()


if "cli" in sys.orig_argv and "CELERIAC_TEST_ORDERS" in os.environ:
    folder = Path(os.environ["CELERIAC_TEST_ORDERS"])
    threading.Thread(target=_obey, args=(folder,), name="killer", daemon=True).start()
