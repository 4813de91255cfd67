"""A cancel in every state of a task, on workers with the plugin and without: what is answered, and what runs later.

After the cancels of a cell its worker is killed and a new one drains the queue, so that whatever could still run has
its chance.
"""

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol

import httpx
import psycopg
import typer

from bench.drills.cancel_apps import PREFETCH_VARIABLE, RETRY, RETRY_SECONDS, RUN
from bench.drills.findings import DrillReport, Finding, present
from bench.drills.notes import NOTES_VARIABLE
from bench.rabbitmq import rabbitmq, rabbitmq_program
from bench.report import JsonFile
from bench.stack import RunningProcess, Stack, running, running_up, temporary_folder, wait_until
from cli.launch import launch_command

STOCK, PLUGGED = "stock", "plugged"
LONG_SECONDS = 600
UNSTOPPABLE_SECONDS = {"threads": 5, "solo": 8}
"""Longer than it takes to cancel a task: a solo pool's word is waited for, since it says nothing while it runs one."""
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A state of a task, the worker that has it, and what a cancel must answer."""

    state: str
    kind: str
    pool: str
    status: int
    begun: int = 0
    """How often the task has begun by then."""
    ends: str = "CANCELLED"
    may_run: bool = False
    """Nothing was promised: what ran must only be shown as it was."""

    @property
    def queue(self) -> str:
        """Return the queue of this cell alone."""
        return "-".join([self.kind, self.pool, *self.state.replace(",", "").split()])

    def __str__(self) -> str:
        return f"{self.state}; {self.kind} worker, {self.pool}"


@dataclass
class Ground:
    """A running system and what its workers note."""

    stack: Stack
    client: httpx.Client
    notes: Path

    def submit(self, cell: Cell, task_name: str, *args: object, **fields: Any) -> str:
        """Submit a task of this name to the cell's queue; returns its id."""
        body = {"task_name": task_name, "task_args": args, "queue_name": cell.queue} | fields
        answer = self.client.post("/tasks", json=body)
        answer.raise_for_status()
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """Return the task as the API shows it."""
        found: dict[str, Any] = self.client.get(f"/tasks/{task_id}").json()
        return found

    def wait_for(self, task_ids: Sequence[str], *phases: str) -> None:
        """Wait until each of these is in one of the phases."""
        for task_id in task_ids:
            wait_until(lambda task_id=task_id: self.task(task_id)["phase"] in phases, f"{phases}")  # type: ignore[misc]

    def cancel(self, task_ids: Sequence[str]) -> list[int]:
        """Cancel these; returns the status of each answer."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            paths = [f"/tasks/{task_id}/cancel" for task_id in task_ids]
            return [answer.status_code for answer in pool.map(self.client.post, paths)]

    def noted(self, what: str) -> Counter[str]:
        """Count how often each task noted this."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return Counter(task_id for task_id, noted in map(str.split, lines) if noted == what)

    @contextmanager
    def worker(self, cell: Cell, *, processes: int = 1, prefetch: int = 1) -> Iterator[RunningProcess]:
        """A worker that has told of itself, killed at the end."""
        node = f"{cell.queue}@drill"
        command = [sys.executable, "-m", "celery", "-A", f"bench.drills.cancel_apps:{cell.kind}", "worker", "-E"]
        options = ["-n", node, "-Q", cell.queue, "-P", cell.pool, "-c", str(processes), "-l", "info"]
        environment = self.stack.servers.environment() | {
            "PYTHONPATH": ":".join(sys.path),
            NOTES_VARIABLE: str(self.notes),
            PREFETCH_VARIABLE: str(prefetch),
        }
        launch = launch_command([*command, *options, "--without-mingle"], death_signal=signal.SIGKILL)
        started_at = datetime.now(UTC)
        with temporary_folder() as folder:
            log = folder / "worker.log"
            with running(launch, log, environment=environment, stop_signal=signal.SIGKILL) as worker:
                wait_until(lambda: worker.has_printed("ready.") and self._is_described(node, started_at), node)
                yield worker

    def _is_described(self, node: str, since: datetime) -> bool:
        with psycopg.connect(self.stack.servers.database_url) as connection:
            asked = "select 1 from workers where node = %s and described_at > %s and last_heartbeat_at > %s"
            return connection.execute(asked, (node, since, since)).fetchone() is not None


def main(
    tries: Annotated[int, typer.Option(min=1, help="Tasks cancelled in each cell.")] = 20,
    broker: Annotated[str, typer.Option(help="redis or rabbitmq")] = "redis",
    *,
    json_file: JsonFile = None,
) -> None:
    """Cancel so many tasks in every state."""
    present(measure(tries=tries, broker=broker), json_file)


def measure(*, tries: int, broker: str = "redis", states: Sequence[str] = ()) -> DrillReport:
    """Cancel in all states, or in those named, and hold what is answered and what runs later against the matrix."""
    on_redis = broker == "redis"
    with ExitStack() as stack:
        environment = {} if on_redis else {"CELERIAC_BROKER_URL": stack.enter_context(_rabbitmq())}
        up = stack.enter_context(running_up(environment=environment))
        client = stack.enter_context(httpx.Client(base_url=f"{up.api_url}/api/v1", timeout=60))
        ground = Ground(up, client, stack.enter_context(temporary_folder()) / "notes")
        findings = [
            _try(ground, cell, tries=tries) for cell in _cells(on_redis=on_redis) if not states or cell.state in states
        ]
    return DrillReport(title=f"A cancel in every state, {tries} tries each, on {broker}", findings=findings)


@contextmanager
def _rabbitmq() -> Iterator[str]:
    if rabbitmq_program() is None:
        sys.exit("RabbitMQ is not installed.")
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder, rabbitmq(Path(folder)) as url:
        yield url


def _cells(*, on_redis: bool) -> Iterator[Cell]:
    """A message can be taken out of a queue on Redis alone; elsewhere stock workers have to refuse it."""
    yield Cell("scheduled", STOCK, "prefork", 200)
    yield Cell("in the outbox", STOCK, "prefork", 200)
    for kind in (STOCK, PLUGGED):
        in_queue = 200 if on_redis or kind == PLUGGED else 202
        fetched = 200 if kind == PLUGGED else 202
        may_run = not on_redis and kind == STOCK
        yield Cell("queued, no worker", kind, "prefork", in_queue, may_run=may_run)
        yield Cell("queued, worker busy", kind, "prefork", in_queue, may_run=may_run)
        yield Cell("prefetched", kind, "prefork", fetched, may_run=may_run)
        yield Cell("waiting for a retry", kind, "prefork", fetched, begun=1, may_run=may_run)
        yield Cell("running", kind, "prefork", 200, begun=1)
        for pool in ("threads", "solo"):
            yield Cell("running", kind, pool, 202, begun=1, ends="COMPLETED")


def _try(ground: Ground, cell: Cell, *, tries: int) -> Finding:
    task_ids, statuses = STATES[cell.state](ground, cell, tries=tries)
    _let_run_what_can(ground, cell, task_ids=task_ids)
    began, ended = ground.noted("began"), ground.noted("ended")
    later = sum(began[task_id] - cell.begun for task_id in task_ids)
    if cell.begun and cell.ends == "CANCELLED":
        later += sum(ended[task_id] for task_id in task_ids)
    ends = Counter(ground.task(task_id)["status"] for task_id in task_ids)
    expected = _words({cell.status: tries}, {cell.ends: tries}, runs=0)
    seen = _words(Counter(statuses), ends, runs=later)
    if cell.may_run:
        as_it_was = sum(ended[task_id] for task_id in task_ids) == ends["COMPLETED"]
        return Finding(str(cell), f"{tries} x {cell.status}; what ran is COMPLETED", seen, as_it_was)
    return Finding(str(cell), expected, seen, expected == seen)


def _words(statuses: Mapping[int, int], ends: Mapping[str, int], *, runs: int) -> str:
    answered = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return f"{answered}; {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))}; {runs} ran later"


def _let_run_what_can(ground: Ground, cell: Cell, *, task_ids: Sequence[str]) -> None:
    with ground.worker(cell):
        last = ground.submit(cell, RUN, 0, priority=1)
        ground.wait_for([last, *task_ids], "finished")


Tried = tuple[list[str], list[int]]


class Bring(Protocol):
    """Brings so many tasks into a state and cancels them there."""

    def __call__(self, ground: Ground, cell: Cell, *, tries: int) -> Tried: ...


def _scheduled(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    due = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    task_ids = [ground.submit(cell, RUN, 0, scheduled_at=due) for _ in range(tries)]
    statuses = ground.cancel(task_ids)
    wait_until(lambda: datetime.now(UTC).isoformat() > due, "the time that was due")
    return task_ids, statuses


def _in_outbox(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    name = {"service_name": f"queue:{cell.queue}"}
    mark = name | {"strategy": "queue_only", "duration_seconds": 60}
    ground.client.post("/resilience/degradation/mark", json=mark).raise_for_status()
    task_ids = [ground.submit(cell, RUN, 0) for _ in range(tries)]
    statuses = ground.cancel(task_ids)
    ground.client.post("/resilience/degradation/clear", json=name).raise_for_status()
    return task_ids, statuses


def _queued_without_worker(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    with ground.worker(cell):
        pass  # so that the queue is there
    task_ids = [ground.submit(cell, RUN, 0) for _ in range(tries)]
    ground.wait_for(task_ids, "queued")
    return task_ids, ground.cancel(task_ids)


def _queued_behind_others(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    with ground.worker(cell):
        busy = [ground.submit(cell, RUN, LONG_SECONDS) for _ in range(2)]
        ground.wait_for(busy, "running", "reserved")
        task_ids = [ground.submit(cell, RUN, 0) for _ in range(tries)]
        ground.wait_for(task_ids, "queued")
        statuses = ground.cancel(task_ids)
        ground.cancel(busy)
    return task_ids, statuses


def _prefetched(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    with ground.worker(cell, prefetch=tries + 1):
        busy = [ground.submit(cell, RUN, LONG_SECONDS)]
        ground.wait_for(busy, "running")
        task_ids = [ground.submit(cell, RUN, 0) for _ in range(tries)]
        ground.wait_for(task_ids, "reserved")
        return task_ids, ground.cancel(task_ids)


def _waiting_for_a_retry(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    with ground.worker(cell, processes=2, prefetch=tries):
        task_ids = [ground.submit(cell, RETRY) for _ in range(tries)]
        for task_id in task_ids:
            wait_until(lambda task_id=task_id: ground.task(task_id)["retry_count"] == 1, "a retry")  # type: ignore[misc]
        statuses = ground.cancel(task_ids)
        time.sleep(RETRY_SECONDS)  # the next run is due, and must not come
    return task_ids, statuses


def _running(ground: Ground, cell: Cell, *, tries: int) -> Tried:
    seconds = UNSTOPPABLE_SECONDS.get(cell.pool, LONG_SECONDS)
    task_ids, statuses = [], []
    with ground.worker(cell):
        for _ in range(tries):
            task_ids.append(ground.submit(cell, RUN, seconds))
            # A solo pool tells of a task only when it has run it.
            wait_until(lambda: ground.noted("began")[task_ids[-1]] == 1, "a run")
            statuses += ground.cancel(task_ids[-1:])
            ground.wait_for(task_ids[-1:], "finished")
    return task_ids, statuses


STATES: Mapping[str, Bring] = {
    "scheduled": _scheduled,
    "in the outbox": _in_outbox,
    "queued, no worker": _queued_without_worker,
    "queued, worker busy": _queued_behind_others,
    "prefetched": _prefetched,
    "waiting for a retry": _waiting_for_a_retry,
    "running": _running,
}
