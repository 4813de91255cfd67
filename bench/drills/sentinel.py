"""The master of broker, results and our own keys killed under load: what is lost, run twice, or left unexplained."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from bench.drills.findings import DrillReport, present
from bench.drills.ledger import PATIENCE_SECONDS, Submitter, await_ends, is_healthy, witness
from bench.report import JsonFile
from bench.sentinels import Sentinels, sentinels
from bench.stack import running_up, temporary_folder, wait_until

WORKERS = 2


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of known outcome.")] = 5_000,
    rate: Annotated[float, typer.Option(min=1, help="Tasks submitted a second, at most.")] = 100,
    *,
    json_file: JsonFile = None,
) -> None:
    """Kill -9 the master that sentinels watch in the middle of the load; count what is lost, twice or untold."""
    present(measure(tasks=tasks, rate=rate), json_file)


def measure(*, tasks: int, rate: float) -> DrillReport:
    """Kill the master under load, and hold the ledger against the promises."""
    with temporary_folder() as folder, sentinels(folder) as servers:
        notes = folder / "notes"
        environment = witness(notes) | servers.environment | {"CELERIAC_ADOPT_QUEUES": "true"}
        with running_up(workers=WORKERS, environment=environment) as stack:
            begun = time.monotonic()
            with Submitter(stack.api_url, tasks=tasks, rate=rate) as submitter:
                wait_until(lambda: len(submitter.accepted) >= tasks // 2, "half of the tasks", seconds=tasks)
                failed_over_after = _fail_over(servers)
                healthy_after = _seconds(lambda: is_healthy(stack))
            ledger = await_ends(stack, submitter.accepted, notes=notes)
            ended_after = time.monotonic() - begun
    ran = {task_id for task_id, _ in ledger.runs}
    cancelled = {task_id for task_id, kind in ledger.accepted.items() if kind.status == "CANCELLED"}
    told = {run: ledger.attempts[run] for run in ledger.runs}
    return DrillReport(
        title=f"{len(ledger.accepted):,} tasks, and the master killed in the middle of them",
        findings=list(ledger.findings()),
        measured={
            "lost": len(ledger.accepted.keys() - cancelled - ran),
            "run twice": sum(count > 1 for count in ledger.runs.values()),
            "run twice, and not told": sum(count > told[run] for run, count in ledger.runs.items()),
            "attempts told beyond the runs": sum(max(0, told[run] - count) for run, count in ledger.runs.items()),
            "from the kill to the next master, s": failed_over_after,
            "from then to health, s": healthy_after,
            "all ended after s": ended_after,
            **ledger.measured(),
        },
        notes=["The killed server comes back as a replica. A run is known by its task and its number of retries."],
    )


def _fail_over(servers: Sentinels) -> float:
    """Seconds from the kill to the next master."""
    begun = time.monotonic()
    killed = servers.kill_master()
    servers.wait_for_other_master(killed)
    took = time.monotonic() - begun
    servers.start_again(killed)
    return took


def _seconds(question: Callable[[], bool]) -> float:
    begun = time.monotonic()
    wait_until(question, "health after the failover", seconds=PATIENCE_SECONDS)
    return time.monotonic() - begun
