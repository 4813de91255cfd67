"""The disk of Postgres fills up under load and is freed again: all that was accepted is kept, the rest was refused.

The disk is a small tmpfs; it takes root, on Linux, to mount one.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from bench.drills.findings import DrillReport, at_most, equal, listed, present
from bench.drills.ledger import Submitter, await_ends, is_healthy, witness
from bench.report import JsonFile
from bench.stack import running_up, temporary_folder, wait_until

MEGABYTES = 400
BLOCK = b"\0" * (1 << 20)
BEFORE_SECONDS = 10.0
RECOVERY_SECONDS = 120.0


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of known outcome.")] = 5_000,
    rate: Annotated[float, typer.Option(min=1, help="Tasks submitted a second, at most.")] = 50,
    *,
    seconds: Annotated[float, typer.Option(min=1, help="How long the disk stays full.")] = 30,
    json_file: JsonFile = None,
) -> None:
    """Fill the disk of Postgres under load, and free it again."""
    present(measure(tasks=tasks, rate=rate, seconds=seconds), json_file)


def measure(*, tasks: int, rate: float, seconds: float) -> DrillReport:
    """Fill the disk for so long under load, and hold what was accepted against what is there afterwards."""
    with temporary_folder() as folder, _small_disk(folder / "data" / "postgres") as disk:
        notes = folder / "notes"
        with running_up(workers=1, data=folder / "data", environment=witness(notes)) as stack:
            with Submitter(stack.api_url, tasks=tasks, rate=rate) as submitter:
                time.sleep(BEFORE_SECONDS)
                with _full(disk):
                    full_at = len(submitter.accepted)
                    time.sleep(seconds)
                    accepted_meanwhile = len(submitter.accepted) - full_at
                freed_at = time.monotonic()
                wait_until(lambda: is_healthy(stack), "health after room was made", seconds=RECOVERY_SECONDS)
                healthy_after = time.monotonic() - freed_at
            ledger = await_ends(stack, submitter.accepted, notes=notes)
    return DrillReport(
        title=f"{len(ledger.accepted):,} tasks, and the disk of Postgres full for {seconds:g} s",
        findings=[
            at_most("healthy after there was room again", RECOVERY_SECONDS, seen=healthy_after, unit=" s"),
            equal("answered 500", 0, seen=submitter.refused["500"]),
            *ledger.findings(),
        ],
        measured={
            "accepted while the disk was full": accepted_meanwhile,
            "requests repeated": listed(submitter.refused),
            **ledger.measured(),
        },
    )


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    options = f"size={MEGABYTES}m,mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "drill", str(folder)], check=False)
    if mounted.returncode:
        sys.exit("This drill needs the right to mount a tmpfs.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _full(disk: Path) -> Iterator[None]:
    """Fill the disk; not a byte is left at the beginning."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(BLOCK):
            pass
    try:
        yield
    finally:
        ballast.unlink()
