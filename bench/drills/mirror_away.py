"""The mirror killed under load and away for a minute: nothing is missing then, and how long it takes to catch up."""

import time
from typing import Annotated

import typer

from bench.drills.findings import DrillReport, present
from bench.drills.intake import (
    EVENTS,
    Load,
    backlog,
    counted,
    running_mirror,
    running_worker,
    used_memory,
    wait_until_run,
    wait_until_stored,
)
from bench.report import JsonFile

BEFORE_SECONDS = 10.0


def main(
    seconds: Annotated[int, typer.Option(min=1, help="How long the mirror is away.")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="Tasks a second, of three events each.")] = 100,
    *,
    json_file: JsonFile = None,
) -> None:
    """Kill the mirror under load and start another one a minute later."""
    present(measure(seconds=seconds, rate=rate), json_file)


def measure(*, seconds: int, rate: float) -> DrillReport:
    """Kill the mirror under load for a minute, and hold the rows against what was published."""
    with running_worker() as servers:
        with Load(servers, rate=rate) as load:
            with running_mirror(servers) as mirror:
                time.sleep(BEFORE_SECONDS)
                mirror.process.kill()
            before = used_memory(servers)
            time.sleep(seconds)
            behind, memory = backlog(servers), used_memory(servers) - before
            with running_mirror(servers):
                caught_up = wait_until_stored(servers, but=rate * EVENTS)
                time.sleep(BEFORE_SECONDS)
        with running_mirror(servers):
            wait_until_run(servers)
            wait_until_stored(servers)
            findings = list(counted(servers, load.published))
    return DrillReport(
        title=f"The mirror killed and away for {seconds} s, {rate:g} tasks a second",
        findings=findings,
        measured={
            "messages in the stream when it came back": behind,
            "memory that they took in Valkey, MB": memory,
            "from its start until it was less than a second behind, s": caught_up,
        },
        notes=[
            "The load went on while it caught up. What the killed one had read and not stored is taken over after 10 s."
        ],
    )
