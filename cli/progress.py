"""Follows a task to its end and shows it; draws on stderr, so that stdout holds only the outcome."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from cli.client import Client, NotReachable
from cli.terminal import line_of, print_fields

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 1.0  # 60 requests a minute, of the 1,000 that the rate limit grants
PATIENCE_SECONDS = 30.0

Task = dict[str, Any]

HIDDEN = frozenset({"attempts", "task_args", "task_kwargs", "traceback"})


def follow(client: Client, task_id: str, *, quiet: bool) -> Task:
    """Return the task in its final state. An API that restarts meanwhile is waited for, 30 s at a time."""
    console = Console(stderr=True, quiet=quiet)
    with console.status(line_of(f"{task_id}: submitted")) as status:
        shown = ""

        def show(task: Task) -> None:
            nonlocal shown
            now = f"{task['status']} {task.get('phase') or ''}".strip()
            if now != shown:
                console.print(line_of(f"{task_id}: {now}"))
                status.update(line_of(f"{task_id}: {now}"))
            shown = now

        return _poll(client, task_id, show=show)


def _poll(client: Client, task_id: str, *, show: Callable[[Task], None]) -> Task:
    wait = FIRST_WAIT_SECONDS
    answered_at = time.monotonic()
    while True:
        try:
            task = client.task(task_id)
            answered_at = time.monotonic()
            show(task)
            if task["status"] in FINAL and not task.get("result_pending"):
                return task
        except NotReachable:
            if time.monotonic() - answered_at > PATIENCE_SECONDS:
                raise
        time.sleep(wait)
        wait = min(wait * 1.5, LONGEST_WAIT_SECONDS)


def show_task(task: Task) -> None:
    """Print a table of what is known and short; values are printed as they are, never read as markup."""
    print_fields(task, hidden=HIDDEN)
