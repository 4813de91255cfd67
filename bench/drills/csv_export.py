"""A large export: every row once, readable by Python's csv, and the API's memory stays as it was."""

import csv
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import httpx
import psutil
import psycopg
import typer

from bench.drills.findings import DrillReport, at_most, equal, present
from bench.report import JsonFile
from bench.stack import Servers, running_api, running_servers

EXPORT = "/api/v1/search/tasks/export/csv"
MEBIBYTE = 2**20
MOST_GROWTH_MIB = 50
SAMPLE_SECONDS = 0.02
WARM_UP_ROWS = 500

# Every tenth has an error of the kind that breaks a naive writer or reader: quotes, commas, line ends, a formula.
FILL = """
    insert into tasks (task_id, task_name, status, phase, queue_name, priority, exception,
                       created_at, completed_at, duration_seconds, events_from, checked_at)
    select 'task-' || n, 'shop.order_' || n %% 50, case n %% 10 when 0 then 'FAILED' else 'COMPLETED' end, 'finished',
           'queue-' || n %% 5, 1 + n %% 10, case n %% 10 when 0 then '=cmd|"a", b' || chr(10) || repeat('x', 200) end,
           now() - n * interval '1 second', now(), n * 0.001, now(), now()
    from generate_series(1, %s) n
"""


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the database.")] = 200_000, json_file: JsonFile = None
) -> None:
    """Export many tasks and watch the API's memory."""
    present(measure(tasks=tasks), json_file)


def measure(*, tasks: int) -> DrillReport:
    """Export so many tasks and hold the file against the rows, and the memory against its bound."""
    with running_servers() as servers, running_api(servers) as (url, process):
        _fill(servers, tasks)
        with httpx.Client(base_url=url, timeout=60) as client:
            client.get(EXPORT, params={"limit": WARM_UP_ROWS}).raise_for_status()
            with _peak_memory(process) as memory:
                begun = time.perf_counter()
                text = client.get(EXPORT).raise_for_status().text
                seconds = time.perf_counter() - begun
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    unchanged = sum(row["error"] == ("'" + _error() if row["status"] == "FAILED" else "") for row in rows)
    return DrillReport(
        title=f"Export of {tasks:,} tasks to CSV",
        findings=[
            equal("rows", tasks, seen=len(rows)),
            equal("different task ids", tasks, seen=len({row["task_id"] for row in rows})),
            equal("errors that came whole, formulas defused", tasks, seen=unchanged),
            at_most("growth of the API process", MOST_GROWTH_MIB, seen=memory.growth / MEBIBYTE, unit=" MiB"),
        ],
        measured={
            "rows/s": tasks / seconds,
            "MiB": len(text.encode()) / MEBIBYTE,
            "API before, MiB": memory.before / MEBIBYTE,
        },
    )


def _error() -> str:
    return '=cmd|"a", b\n' + "x" * 200


def _fill(servers: Servers, tasks: int) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(FILL, [tasks])
        connection.execute("analyze tasks")


class _Memory:
    """Resident memory of a process: at first, and at its highest since."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.before = self.peak = process.memory_info().rss

    @property
    def growth(self) -> int:
        return self.peak - self.before

    def look(self) -> None:
        self.peak = max(self.peak, self._process.memory_info().rss)


@contextmanager
def _peak_memory(process: psutil.Process) -> Iterator[_Memory]:
    """Looks every 20 ms."""
    memory, stopping = _Memory(process), threading.Event()

    def watch() -> None:
        while not stopping.wait(SAMPLE_SECONDS):
            memory.look()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield memory
    finally:
        stopping.set()
        watching.join()
