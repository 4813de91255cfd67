"""Every connection to Postgres or to Valkey goes dead under load: open on both sides, and no byte passes.

No error tells of it, as where a firewall has forgotten a connection. New connections are sound.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, LiteralString

import typer

from bench.drills.findings import DrillReport, Finding, at_most, listed, present
from bench.drills.ledger import PatientClient, Submitter, await_ends, witness
from bench.drills.truth import Database
from bench.drills.wire import Wire, wire_to
from bench.drills.workload import TaskKind
from bench.report import JsonFile
from bench.stack import Servers, Stack, running_servers, running_up, temporary_folder, wait_until

WORKERS = 2
ADOPT = {"CELERIAC_ADOPT_QUEUES": "true"}
"""The setting that lets workers adopt queues, which `up` has by itself only on a broker of its own."""
CALM_SECONDS = 10.0
PROBE_SECONDS = 60.0
"""The longest that dead connections may keep a task from its end."""
PROBE = TaskKind(0, "celeriac.add", "probe", args=[1, 2])
ENDED: LiteralString = "select count(*) from tasks where task_id = %(task_id)s and status = 'COMPLETED'"


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of known outcome.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, help="Tasks submitted a second, at most.")] = 50,
    *,
    json_file: JsonFile = None,
) -> None:
    """Let connections to Postgres and Valkey go dead in turn, under load, so that nobody is told."""
    present(measure(tasks=tasks, rate=rate), json_file)


def measure(*, tasks: int, rate: float) -> DrillReport:
    """Let connections go dead until so many tasks are submitted, and hold the ledger against the promises."""
    with ExitStack() as open_:
        notes = open_.enter_context(temporary_folder()) / "notes"
        servers = open_.enter_context(running_servers())
        postgres = open_.enter_context(wire_to(servers.database_url))
        valkey = open_.enter_context(wire_to(servers.broker_url))
        urls = {
            name: (postgres if name == "CELERIAC_DATABASE_URL" else valkey).through(url)
            for name, url in servers.environment().items()
        }
        stack = open_.enter_context(running_up(workers=WORKERS, environment=urls | ADOPT | witness(notes)))
        with Submitter(stack.api_url, tasks=tasks, rate=rate) as submitter:
            cuts = list(
                _cut_until(submitter.is_done, {"Postgres": postgres, "Valkey": valkey}, stack=stack, servers=servers)
            )
        ledger = await_ends(stack, submitter.accepted | {cut.task_id: PROBE for cut in cuts}, notes=notes)
    return DrillReport(
        title=f"{len(ledger.accepted):,} tasks while connections go dead",
        findings=[*_slowest(cuts), *ledger.findings()],
        measured={
            "connections cut": ", ".join(f"{cut.connections} to {cut.server} ({cut.seconds:.1f} s)" for cut in cuts),
            "requests repeated": listed(submitter.refused),
            **ledger.measured(),
        },
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """What went dead at once, and how long a task took that was submitted right then."""

    server: str
    connections: int
    task_id: str
    seconds: float


def _cut_until(
    is_over: Callable[[], bool], wires: Mapping[str, Wire], *, stack: Stack, servers: Servers
) -> Iterator[Cut]:
    """Each once at least."""
    client, database = PatientClient(stack.api_url), Database(servers.database_url)
    try:
        while True:
            for name, wire in wires.items():
                time.sleep(CALM_SECONDS)
                connections, begun = wire.cut(), time.monotonic()
                task_id = client.post("/tasks", PROBE.body(datetime.now(UTC)))["task_id"]
                wait_until(
                    lambda task_id=task_id: database.number(ENDED, task_id=task_id) == 1,  # type: ignore[misc]
                    f"the end of a task after {name} was cut",
                    seconds=10 * PROBE_SECONDS,
                )
                yield Cut(name, connections, task_id, time.monotonic() - begun)
            if is_over():
                return
    finally:
        client.close()
        database.close()


def _slowest(cuts: list[Cut]) -> Iterator[Finding]:
    for name in dict.fromkeys(cut.server for cut in cuts):
        seconds = max(cut.seconds for cut in cuts if cut.server == name)
        yield at_most(f"slowest task submitted as {name}'s connections died", PROBE_SECONDS, seen=seconds, unit=" s")
