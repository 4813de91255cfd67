"""A million events of steady load, and the memory of every process meanwhile: it may not grow.

Warm-up is the first quarter. Held against each other are the medians of the second quarter and of the last one. With a
rate, the mirror may not fall behind either.
"""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import httpx
import typer

from bench.drills.findings import DrillReport, Finding, at_most, equal, present
from bench.drills.truth import UNFINISHED, Database
from bench.memory import Sample, sample
from bench.plain_celery import ARGUMENTS, TASK_NAME
from bench.report import JsonFile
from bench.stack import Stack, running_up, wait_until

PORTION = 250
PORTIONS_A_SECOND = 4
UNFINISHED_AT_MOST = 2_000
"""How many tasks may wait or run: load without a backlog."""
LOOK_SECONDS = 0.5
SAMPLE_SECONDS = 5.0
END_SECONDS = 120.0
LAG_SECONDS = 1.0
"""How late an event may be stored, of 99 in a hundred."""
LAGS = """
    select at, percentile_cont(at) within group (order by extract(epoch from recorded_at - occurred_at)) as seconds
    from events cross join unnest(array[0.5, 0.99, 1.0]::float8[]) at where node is not null group by at order by at
"""
GROWTH_MIB = 4.0
"""About a hundredth of what all processes hold; a leak of 16 bytes an event would be four times as much."""
NOT_OURS = ("postgres", "valkey-server", "flower")
TASK = {"task_name": TASK_NAME, "task_args": ARGUMENTS}


def main(
    tasks: Annotated[int, typer.Option(min=PORTION, help="Tasks in all, of five events each.")] = 200_000,
    rate: Annotated[
        int, typer.Option(min=0, help="Tasks a second; 0 for as many as run without a backlog.", show_default=True)
    ] = 0,
    *,
    json_file: JsonFile = None,
) -> None:
    """Submit tasks for as long as it takes, and look at every process."""
    present(measure(tasks=tasks, rate=rate), json_file)


def measure(*, tasks: int, rate: int) -> DrillReport:
    """Run so many tasks at a steady rate, and compare each process's memory early and late."""
    with running_up(workers=1, flower=True) as stack:
        begun = time.monotonic()
        samples = _sample_while(stack, tasks, rate=rate)
        seconds = time.monotonic() - begun
        database = Database(stack.servers.database_url)
        events, done = database.number("select count(*) from events"), _completed(database)
        typical, late, latest = (row["seconds"] for row in database.rows(LAGS))
        database.close()
    before, after = _quarter(samples, 2), _quarter(samples, 4)
    return DrillReport(
        title=f"{tasks:,} tasks, {events:,} events in {seconds / 60:.1f} minutes",
        findings=[equal("tasks completed", tasks, seen=done), *_lag(late, rate), *_growth(before, after)],
        measured={f"{kind}, MiB": f"{before[kind]:,.1f}, then {after[kind]:,.1f}" for kind in before}
        | {
            "tasks/s": tasks / seconds,
            "samples": len(samples),
            "events stored after, p50, p99, latest": f"{typical * 1e3:,.0f}, {late * 1e3:,.0f}, {latest * 1e3:,.0f} ms",
        },
        notes=[
            "An event is stored when the transaction begins that stores it.",
            "PSS: memory that processes share is divided among them.",
            "Not judged: Postgres fills its shared buffers, Valkey keeps the result of each task for a day, and"
            " Flower keeps the last 100,000 tasks.",
        ],
    )


def _sample_while(stack: Stack, tasks: int, *, rate: int) -> list[Sample]:
    """Take samples while all of them are submitted and run."""
    samples: list[Sample] = []
    loading = threading.Thread(target=_submit, args=(stack, tasks), kwargs={"rate": rate}, name="load")
    loading.start()
    while loading.is_alive():
        samples.append(sample(stack.pid))
        loading.join(SAMPLE_SECONDS)
    return samples


def _submit(stack: Stack, tasks: int, *, rate: int) -> None:
    portion = max(1, rate // PORTIONS_A_SECOND) if rate else PORTION
    database, begun = Database(stack.servers.database_url), time.monotonic()
    with httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client:
        for sent in range(0, tasks, portion):
            while database.number(UNFINISHED) > UNFINISHED_AT_MOST:
                time.sleep(LOOK_SECONDS)
            if rate:
                time.sleep(max(0.0, begun + sent / rate - time.monotonic()))
            batch = {"tasks": [TASK] * min(portion, tasks - sent)}
            client.post("/tasks/batch", json=batch).raise_for_status()
    wait_until(lambda: not database.number(UNFINISHED), "the end of all tasks", seconds=END_SECONDS)
    database.close()


def _completed(database: Database) -> int:
    return database.number("select count(*) from tasks where status = 'COMPLETED'")


def _quarter(samples: Sequence[Sample], nth: int) -> dict[str, float]:
    """The median of each kind of process in this quarter of the time, in MiB."""
    size = len(samples) // 4
    part = samples[size * (nth - 1) : size * nth]
    return {kind: statistics.median(each[kind].pss for each in part if kind in each) for kind in part[0]}


def _lag(late: float, rate: int) -> Iterator[Finding]:
    if rate:
        yield at_most("99 of 100 events stored after", LAG_SECONDS, seen=late, unit=" s")


def _growth(before: dict[str, float], after: dict[str, float]) -> Iterator[Finding]:
    for kind in sorted(before.keys() - NOT_OURS):
        yield at_most(f"{kind} grew by", GROWTH_MIB, seen=after[kind] - before[kind], unit=" MiB")
