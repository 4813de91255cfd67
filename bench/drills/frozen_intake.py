"""Postgres stopped under the mirror while events go on: it falls behind, takes no more memory, and catches up."""

import signal
import time
from typing import Annotated

import typer

from bench.drills.findings import DrillReport, Finding, at_most, equal, present
from bench.drills.freezing import frozen
from bench.drills.intake import (
    EVENTS,
    Load,
    backlog,
    counted,
    postgres,
    running_mirror,
    running_worker,
    wait_until_run,
    wait_until_stored,
    watch,
)
from bench.report import JsonFile
from bench.stack import Servers

BEFORE_SECONDS = 5.0
GRACE_SECONDS = 10.0
MEGABYTES = 40.0
"""Room for the 10,000 messages that it holds, twice: as they came and decoded."""


def main(
    seconds: Annotated[int, typer.Option(min=15, help="How long Postgres is frozen.")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="Tasks a second, of three events each.")] = 100,
    *,
    json_file: JsonFile = None,
) -> None:
    """Freeze Postgres under load, watch the mirror's memory, and tell the mirror to stop while it is frozen."""
    present(measure(seconds=seconds, rate=rate), json_file)


def measure(*, seconds: int, rate: float) -> DrillReport:
    """Freeze Postgres for so long at this rate, and hold the mirror's memory and the rows against the promises."""
    with running_worker() as servers:
        with Load(servers, rate=rate) as load:
            with running_mirror(servers) as mirror:
                time.sleep(BEFORE_SECONDS)
                with frozen([postgres()]):
                    memory = watch(mirror, seconds=seconds)
                    behind = backlog(servers)
                caught_up = wait_until_stored(servers, but=rate * EVENTS)
            left = _stop_while_frozen(servers)
        with running_mirror(servers):
            wait_until_run(servers)
            wait_until_stored(servers)
            findings = [
                at_most("the mirror's memory grew", MEGABYTES, seen=memory.growth, unit=" MB"),
                left,
                *counted(servers, load.published),
            ]
    return DrillReport(
        title=f"Postgres frozen for {seconds} s under the mirror, {rate:g} tasks a second",
        findings=findings,
        measured={
            "memory, MB": " ".join(f"{each:.0f}" for each in memory.megabytes[:: max(1, seconds // 12)]),
            "messages in the stream at the end": behind,
            "from the thaw until it was less than a second behind, s": caught_up,
        },
    )


def _stop_while_frozen(servers: Servers) -> Finding:
    with running_mirror(servers) as mirror:
        time.sleep(BEFORE_SECONDS)
        with frozen([postgres()]):
            time.sleep(1)
            begun = time.monotonic()
            mirror.process.send_signal(signal.SIGTERM)
            code = mirror.process.wait(6 * GRACE_SECONDS)
            seconds = time.monotonic() - begun
    if code:
        return equal("told to stop while Postgres is frozen: exit code", 0, seen=code)
    return at_most("told to stop while Postgres is frozen: gone after", GRACE_SECONDS, seen=seconds, unit=" s")
