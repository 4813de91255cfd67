"""What was submitted, what became of it and how often it ran: the truth that drills hold a harmed system against.

What becomes of a task is known beforehand, and each run is noted by the task itself, past Celeriac. A submission that
was not answered is repeated with its idempotency key, as a client should.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import httpx

from bench.drills.findings import Finding, Value, equal
from bench.drills.notes import NOTES_VARIABLE
from bench.drills.truth import UNFINISHED, Database
from bench.drills.workload import TaskKind, kinds_of
from bench.stack import Stack, wait_until

PORTION = 25
AGAIN_SECONDS = 0.2
PATIENCE_SECONDS = 180.0
END_SECONDS = 900.0
SHOWN = 5

ENDS: LiteralString = """
    select task_id, status, split_part(exception_type, '.', -1) as error
    from tasks left join task_results using (task_id)
"""
ATTEMPTS: LiteralString = "select task_id, retries, count(*) from attempts group by 1, 2"


def witness(notes: Path) -> dict[str, str]:
    """Return the environment with which workers note each run in this file."""
    notes.touch()
    return {"CELERIAC_TASK_MODULES": "bench.drills.witness", NOTES_VARIABLE: str(notes)}


class PatientClient:
    """Asks the REST API again, every 0.2 s for 3 minutes, while it is not answered or the fault is the server's."""

    def __init__(self, api_url: str) -> None:
        self.refused: Counter[str] = Counter()
        """Requests that were asked again, by status or error."""
        self._client = httpx.Client(base_url=f"{api_url}/api/v1", timeout=30)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def post(self, path: str, json: object = None) -> dict[str, Any]:
        """Return the answer. Raises TimeoutError, or httpx.HTTPStatusError if the fault is ours."""
        headers = {"Idempotency-Key": str(uuid4())}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self._client.post(path, json=json, headers=headers)
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if not answer.is_server_error:
                    told: dict[str, Any] = answer.raise_for_status().json()
                    return told
                reason = str(answer.status_code)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: {reason} for {PATIENCE_SECONDS:g} s")
            self.refused[reason] += 1
            time.sleep(AGAIN_SECONDS)


class Submitter:
    """A thread that submits, and cancels what is to be cancelled, until all is accepted."""

    def __init__(self, api_url: str, *, tasks: int, rate: float) -> None:
        self.accepted: dict[str, TaskKind] = {}
        self._client = PatientClient(api_url)
        self._kinds = kinds_of(tasks)
        self._rate = rate
        self._thread = threading.Thread(target=self._submit, name="submitter")

    def __enter__(self) -> "Submitter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._client.close()
        if len(self.accepted) < len(self._kinds):
            raise RuntimeError(f"{len(self._kinds) - len(self.accepted)} tasks could not be submitted")

    @property
    def refused(self) -> Counter[str]:
        """Count the requests that were asked again, by status or error."""
        return self._client.refused

    def is_done(self) -> bool:
        """Return whether all is submitted."""
        return not self._thread.is_alive()

    def _submit(self) -> None:
        begun = time.monotonic()
        for start in range(0, len(self._kinds), PORTION):
            time.sleep(max(0.0, begun + start / self._rate - time.monotonic()))
            self._submit_portion(self._kinds[start : start + PORTION])

    def _submit_portion(self, kinds: list[TaskKind]) -> None:
        now = datetime.now(UTC)
        answer = self._client.post("/tasks/batch", {"tasks": [kind.body(now) for kind in kinds]})
        for task_id, kind in zip(answer["task_ids"], kinds, strict=True):
            self.accepted[task_id] = kind
            if kind.status == "CANCELLED":
                self._client.post(f"/tasks/{task_id}/cancel")


Run = tuple[str, int]
"""A run of a task, with how often it had asked to be retried."""


@dataclass(frozen=True, slots=True)
class TaskLedger:
    """What the system tells of each task, and what the tasks noted themselves."""

    accepted: Mapping[str, TaskKind]
    ends: Mapping[str, tuple[str, str | None]]
    attempts: Counter[Run]
    runs: Counter[Run]
    unfinished: int

    def findings(self) -> Iterator[Finding]:
        """Yield each promise, with the first few tasks that break it."""
        ran = {task_id for task_id, _ in self.runs}
        cancelled = {task_id for task_id, kind in self.accepted.items() if kind.status == "CANCELLED"}
        yield equal("stuck: without an end", 0, seen=self.unfinished)
        yield _none("lost: accepted, and not there", self.accepted.keys() - self.ends.keys())
        yield _none("there, and accepted by no answer", self.ends.keys() - self.accepted.keys())
        yield _none("wrong: another end than it had to have", self._wrong())
        yield _none("ended as if run, and never run", self.accepted.keys() - cancelled - ran)
        yield _none("cancelled, and run", cancelled & ran)
        yield _none("run more often than attempts are told", self._untold())

    def measured(self) -> Mapping[str, Value]:
        """Return the numbers that stand beside the promises."""
        return {
            "runs noted": self.runs.total(),
            "runs beyond the first": self.runs.total() - len(self.runs),
            "attempts told": self.attempts.total(),
        }

    def _wrong(self) -> set[str]:
        return {
            f"{task_id} {self.ends[task_id]} and not {kind.status, kind.error}"
            for task_id, kind in self.accepted.items()
            if task_id in self.ends and self.ends[task_id] != (kind.status, kind.error)
        }

    def _untold(self) -> set[str]:
        return {
            f"{task_id}, retry {retries}: {count} runs"
            for (task_id, retries), count in self.runs.items()
            if count > self.attempts[task_id, retries]
        }


def is_healthy(stack: Stack) -> bool:
    """Tell whether the API says that all is well."""
    try:
        health = httpx.get(f"{stack.api_url}/api/v1/health", timeout=5)
    except httpx.TransportError:
        return False
    return health.is_success and bool(health.json()["status"] == "healthy")


def await_ends(stack: Stack, accepted: Mapping[str, TaskKind], *, notes: Path) -> TaskLedger:
    """Wait for the end of all tasks, up to 15 minutes, and read what became of them."""
    database = Database(stack.servers.database_url)
    try:
        with suppress(TimeoutError):
            wait_until(lambda: not database.number(UNFINISHED), "the end of all tasks", seconds=END_SECONDS)
        return TaskLedger(
            accepted=accepted,
            ends={row["task_id"]: (row["status"], row["error"]) for row in database.rows(ENDS)},
            attempts=Counter({(row["task_id"], row["retries"]): row["count"] for row in database.rows(ATTEMPTS)}),
            runs=_read(notes),
            unfinished=database.number(UNFINISHED),
        )
    finally:
        database.close()


def _read(notes: Path) -> Counter[Run]:
    lines = notes.read_text().splitlines()
    return Counter((task_id, int(retries)) for task_id, retries in map(str.split, lines))


def _none(promise: str, found: set[str]) -> Finding:
    shown = "; ".join(sorted(found)[:SHOWN])
    return Finding(promise, "0", f"{len(found)}: {shown}" if found else "0", not found)
