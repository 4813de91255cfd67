"""Every Postgres process stopped under a steady read load: cached answers, no 500, and recovery by itself.

With the database marked `return_cached` beforehand, as an operator does, or without a mark: then the breaker acts.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer

from bench.drills.findings import DrillReport, Finding, at_least, at_most, equal, present
from bench.drills.freezing import frozen, server_of
from bench.drills.readers import Answer, Readers, slowest, statuses
from bench.report import JsonFile
from bench.stack import running_up, wait_until

TASKS = 200
READ_PATHS = (
    "/tasks?limit=50",
    "/tasks?status=COMPLETED&limit=10",
    "/search/tasks?search=echo&limit=10",
    "/dashboard/stats",
    "/dashboard/workers",
    "/analytics/trends",
    "/workers",
    "/alerts",
)
HEALTH_PATHS = ("/health", "/resilience/summary")
BEFORE_SECONDS = 2.0
MARK_SECONDS_AFTER = 5
"""How long the mark outlives the freeze, so that both ends can be seen."""
BREAKER_SECONDS = 5.0
"""Time until a breaker opens: it looks once a second, waits 1 s for an answer, and wants 3 s of failure."""
RECOVERY_SECONDS = 30.0
SUBMIT_SECONDS = 17.0
"""How long a submission on its way is tried after the breaker has opened."""
SUBMISSION = {"task_name": "celeriac.add", "task_args": [1, 2]}


@dataclass(frozen=True, slots=True)
class FreezeTimes:
    """When what happened, by the monotonic clock."""

    frozen_at: float
    thawed_at: float
    ended_at: float


def main(
    seconds: Annotated[int, typer.Option(min=3, help="How long Postgres is frozen.")] = 20,
    mark: Annotated[bool, typer.Option(help="Mark the database `return_cached` beforehand.")] = True,
    *,
    json_file: JsonFile = None,
) -> None:
    """Freeze Postgres under a steady read load."""
    present(measure(seconds=seconds, mark=mark), json_file)


def measure(*, seconds: int, mark: bool) -> DrillReport:
    """Freeze Postgres for so long under a read load, with a mark or without, and judge every answer."""
    with (
        running_up(workers=1) as stack,
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as client,
    ):
        task_id = _work(client)
        paths = (*READ_PATHS, f"/tasks/{task_id}")
        with Readers(stack.api_url, (*paths, *HEALTH_PATHS)) as readers:
            time.sleep(BEFORE_SECONDS)
            if mark:
                _mark(client, seconds + MARK_SECONDS_AFTER)
            frozen_at = time.monotonic()
            with ThreadPoolExecutor() as caller, frozen([server_of(stack.pid, "postgres")]) as stopped:
                submission = caller.submit(_submit, stack.api_url)
                time.sleep(seconds)
            thawed_at = time.monotonic()
            wait_until(lambda: _is_fresh(client), "fresh answers", seconds=RECOVERY_SECONDS + MARK_SECONDS_AFTER)
            course = FreezeTimes(frozen_at, thawed_at, time.monotonic())
            finished = client.post("/tasks", params={"async": False}, json=SUBMISSION).json().get("status")
    return DrillReport(
        title=f"Postgres ({stopped} processes) frozen for {seconds} s under reads, "
        + ("marked return_cached" if mark else "not marked"),
        findings=[
            *_findings(readers, paths, course=course, marked=mark),
            at_most(
                "a submission at the moment of the freeze is answered",
                SUBMIT_SECONDS,
                seen=submission.result(),
                unit=" s",
            ),
            equal("a task submitted afterwards", "COMPLETED", seen=finished),
        ],
        measured={
            "answers while frozen": len(readers.between(course.frozen_at, course.thawed_at)),
            "from the thaw to fresh answers, s": course.ended_at - course.thawed_at,
        },
        notes=[f"The mark ends by itself {MARK_SECONDS_AFTER} s after the thaw."] if mark else [],
    )


def _findings(readers: Readers, paths: tuple[str, ...], *, course: FreezeTimes, marked: bool) -> Iterator[Finding]:
    waiting = 0.0 if marked else BREAKER_SECONDS
    for path in paths:
        answers = readers.between(course.frozen_at + waiting, course.thawed_at, path=path)
        yield equal(f"{path.partition('?')[0]}: 200 with Warning and Age", len(answers), seen=_good(answers))
    reads = [answer for path in paths for answer in readers.between(course.frozen_at, course.ended_at, path=path)]
    yield equal("answers that were a 500, or none", 0, seen=sum(answer.status in (0, 500) for answer in reads))
    yield at_most("slowest read", 2 + waiting, seen=slowest(reads), unit=" s")
    ages = [answer.age or 0 for answer in readers.between(course.frozen_at, course.thawed_at, path=paths[0])]
    yield at_least("oldest answer's Age", course.thawed_at - course.frozen_at - 1 - waiting, seen=max(ages), unit=" s")
    for path in HEALTH_PATHS:
        answers = readers.between(course.frozen_at, course.ended_at, path=path)
        yield at_most(f"slowest {path} ({statuses(answers)})", 2, seen=slowest(answers), unit=" s")
    limit = RECOVERY_SECONDS + (MARK_SECONDS_AFTER if marked else 0)
    yield at_most("fresh answers after the thaw", limit, seen=course.ended_at - course.thawed_at, unit=" s")


def _good(answers: list[Answer]) -> int:
    return sum(answer.status == 200 and answer.is_cached for answer in answers)


def _work(client: httpx.Client) -> str:
    bodies = [{"task_name": "celeriac.echo", "task_args": [number]} for number in range(TASKS)]
    task_ids: list[str] = client.post("/tasks/batch", json={"tasks": bodies}).raise_for_status().json()["task_ids"]
    wait_until(lambda: client.get("/dashboard/stats").json()["tasks_completed"] == TASKS, "the end of all tasks")
    return task_ids[0]


def _mark(client: httpx.Client, seconds: int) -> None:
    body = {"service_name": "database", "strategy": "return_cached", "duration_seconds": seconds}
    client.post("/resilience/degradation/mark", json=body).raise_for_status()


def _submit(api_url: str) -> float:
    """How long the answer takes. Raises RuntimeError if it is neither a 201 nor a 503."""
    begun = time.monotonic()
    answer = httpx.post(f"{api_url}/api/v1/tasks", json=SUBMISSION, timeout=60)
    if answer.status_code not in (201, 503):
        raise RuntimeError(f"a submission was answered with {answer.status_code}: {answer.text}")
    return time.monotonic() - begun


def _is_fresh(client: httpx.Client) -> bool:
    answer, health = client.get("/tasks?limit=1"), client.get("/health").json()
    return answer.status_code == 200 and "warning" not in answer.headers and health["status"] == "healthy"
