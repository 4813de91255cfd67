"""Every process killed and stopped in turn while tasks go through the API: none is lost, stuck, wrong or run untold."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import cycle, product
from typing import Annotated

import psutil
import typer

from bench.drills.findings import DrillReport, listed, present
from bench.drills.freezing import door_of, frozen, server_of
from bench.drills.ledger import PATIENCE_SECONDS, Submitter, await_ends, is_healthy, witness
from bench.report import JsonFile
from bench.stack import Stack, running_up, temporary_folder, wait_until

WORKERS = 2
FREEZE_SECONDS = 20.0
"""Longer than it takes to be OFFLINE."""
CALM_SECONDS = 2.0


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of known outcome.")] = 20_000,
    rate: Annotated[float, typer.Option(min=1, help="Tasks submitted a second, at most.")] = 100,
    *,
    json_file: JsonFile = None,
) -> None:
    """Kill and stop every process in turn under load; count what is lost, stuck, wrong or run twice."""
    present(measure(tasks=tasks, rate=rate), json_file)


def measure(*, tasks: int, rate: float) -> DrillReport:
    """Strike every process under load, and hold the ledger against the promises."""
    with temporary_folder() as folder:
        notes = folder / "notes"
        with running_up(workers=WORKERS, flower=True, environment=witness(notes)) as stack:
            begun = time.monotonic()
            with Submitter(stack.api_url, tasks=tasks, rate=rate) as submitter:
                blows = _strike_until(submitter.is_done, stack)
            submitted_after = time.monotonic() - begun
            ledger = await_ends(stack, submitter.accepted, notes=notes)
            ended_after = time.monotonic() - begun
    return DrillReport(
        title=f"{len(ledger.accepted):,} tasks while every process is killed and stopped in turn",
        findings=list(ledger.findings()),
        measured={
            "blows": listed(blows),
            "requests repeated": listed(submitter.refused),
            "all submitted after s": submitted_after,
            "all ended after s": ended_after,
            **ledger.measured(),
        },
        notes=["A run is known by its task and its number of retries. Each is noted in a file by the worker's child."],
    )


def _strike_until(is_over: Callable[[], bool], stack: Stack) -> Counter[str]:
    """One blow after another, each once at least, and each when the system is healthy again."""
    kinds = list(product(VICTIMS.items(), (_kill, _freeze)))
    blows: Counter[str] = Counter()
    for (name, find), strike in cycle(kinds):
        if is_over() and len(blows) == len(kinds):
            break
        strike(find(stack))
        blows[f"{strike.__name__[1:]} {name}"] += 1
        wait_until(lambda: _is_whole(stack), f"health after a blow to {name}", seconds=PATIENCE_SECONDS)
        time.sleep(CALM_SECONDS)
    return blows


def _kill(victim: psutil.Process) -> None:
    victim.kill()
    with suppress(psutil.TimeoutExpired):
        victim.wait(CALM_SECONDS)


def _freeze(victim: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess), frozen([victim]):
        time.sleep(FREEZE_SECONDS)


def _worker_child(stack: Stack) -> psutil.Process:
    return door_of(stack.pid, "worker").children()[0]


VICTIMS: Mapping[str, Callable[[Stack], psutil.Process]] = {
    "api": lambda stack: door_of(stack.pid, "api"),
    "mirror": lambda stack: door_of(stack.pid, "mirror"),
    "loops": lambda stack: door_of(stack.pid, "loops"),
    "worker": lambda stack: door_of(stack.pid, "worker"),
    "worker child": _worker_child,
    "valkey": lambda stack: server_of(stack.pid, "valkey-server"),
    "postgres": lambda stack: server_of(stack.pid, "postgres"),
    "flower": lambda stack: door_of(stack.pid, "flower"),
}


def _is_whole(stack: Stack) -> bool:
    """All that `up` started is there, and all is well."""
    try:
        for find in VICTIMS.values():
            find(stack)
    except (LookupError, psutil.Error):
        return False
    return is_healthy(stack)
