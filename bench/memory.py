"""What each process of `celeriac up` holds in memory: at rest, and at most while all of them work as fast as they can.

RSS counts what processes share in each of them; PSS gives each its part, so only its sums mean something.
"""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import psutil
import typer
from rich.table import Table

from bench.load import load
from bench.machine import describe_machine, one_line
from bench.plain_celery import ARGUMENTS, TASK_NAME
from bench.report import JsonFile, open_console
from bench.stack import Stack, running_up

CONNECTIONS = 32
SAMPLE_SECONDS = 1.0
REST_SECONDS = 5.0
"""Rest once everything is ready: the last imports are done, and the loops have had their first rounds."""
SUBMISSION = json.dumps({"task_name": TASK_NAME, "task_args": ARGUMENTS}).encode()
NOTES = (
    "postgres: all its processes; each counts the shared buffers that it has touched (128 MiB) in its RSS.",
    f"Load: {TASK_NAME} through POST /tasks on {CONNECTIONS} connections, dispatched, run and mirrored meanwhile.",
    "The largest of samples taken each second.",
)
TITLE = "Memory of `celeriac up` at rest and during {seconds:g} s of load"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The memory of all processes of one kind together, in MiB."""

    processes: int = 0
    rss: float = 0.0
    pss: float = 0.0

    def plus(self, rss_bytes: int, pss_bytes: int) -> "MemoryUse":
        """Return the memory with one more process."""
        return MemoryUse(self.processes + 1, self.rss + rss_bytes / 2**20, self.pss + pss_bytes / 2**20)

    def most(self, other: "MemoryUse") -> "MemoryUse":
        """Return the larger of each figure."""
        return MemoryUse(max(self.processes, other.processes), max(self.rss, other.rss), max(self.pss, other.pss))


Sample = dict[str, MemoryUse]


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the load.")] = 30.0,
    json_file: JsonFile = None,
) -> None:
    """Measure the memory of every process."""
    with running_up(workers=1, flower=True) as stack:
        time.sleep(REST_SECONDS)
        rest = sample(stack.pid)
        busy = _sample_under_load(stack, seconds)
    _present(TITLE.format(seconds=seconds), rest, busy=busy)
    if json_file:
        json_file.write_text(json.dumps(_as_json(TITLE.format(seconds=seconds), rest, busy=busy), indent=2) + "\n")


def sample(pid: int) -> Sample:
    """Return the memory of the `celeriac up` with this pid and all that it has started, by the kind of process."""
    held: Sample = {}
    up = psutil.Process(pid)
    for process in (up, *up.children(recursive=True)):
        try:
            kind, memory = kind_of(process), process.memory_full_info()
        except psutil.NoSuchProcess:
            continue  # a backend of Postgres that has ended meanwhile
        held[kind] = held.get(kind, MemoryUse()).plus(memory.rss, memory.pss)
    return held


def kind_of(process: psutil.Process) -> str:
    """Return the word behind `-m cli`, or the name of the program: `api`, `worker child`, `postgres`."""
    words = process.cmdline()
    if "cli" not in words:
        return process.name()
    kind = words[words.index("cli") + 1]
    parent = process.parent()
    return f"{kind} child" if parent and parent.cmdline() == words else kind


def _sample_under_load(stack: Stack, seconds: float) -> Sample:
    most: Sample = {}
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(
            load, f"{stack.api_url}/api/v1/tasks", SUBMISSION, connections=CONNECTIONS, seconds=seconds
        )
        while not loading.done():
            for kind, held in sample(stack.pid).items():
                most[kind] = most.get(kind, MemoryUse()).most(held)
            time.sleep(SAMPLE_SECONDS)
        loading.result()
    return most


def _present(title: str, rest: Mapping[str, MemoryUse], *, busy: Mapping[str, MemoryUse]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("MiB", no_wrap=True)
    for heading in ("processes", "RSS, rest", "PSS, rest", "RSS, load", "PSS, load"):
        table.add_column(heading, justify="right")
    columns: tuple[Callable[[str], float], ...] = (
        lambda kind: rest[kind].rss,
        lambda kind: rest[kind].pss,
        lambda kind: busy[kind].rss,
        lambda kind: busy[kind].pss,
    )
    for kind in rest:
        table.add_row(kind, str(busy[kind].processes), *(f"{column(kind):,.0f}" for column in columns))
    table.add_row("all, PSS", "", "", f"{_total(rest):,.0f}", "", f"{_total(busy):,.0f}")
    console = open_console()
    console.print(table)
    for note in (*NOTES, one_line(describe_machine())):
        console.print(note, style="dim", highlight=False)


def _total(held: Mapping[str, MemoryUse]) -> float:
    return sum(each.pss for each in held.values())


def _as_json(title: str, rest: Mapping[str, MemoryUse], *, busy: Mapping[str, MemoryUse]) -> dict[str, Any]:
    return {
        "title": title,
        "unit": "MiB",
        "measured_at": datetime.now(UTC).isoformat(),
        "machine": describe_machine(),
        "processes": [{"name": kind, "rest": asdict(rest[kind]), "load": asdict(busy[kind])} for kind in rest],
        "notes": list(NOTES),
    }


if __name__ == "__main__":
    typer.run(main)
