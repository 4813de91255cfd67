"""Tasks of known outcome, submitted through the API and run by the workers, and their cancels.

Each kind says what becomes of its tasks; what did become of them is counted in `truth.py`.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

BATCH = 500
SHUFFLE_SEED = 3
SOON = timedelta(seconds=3)
TOMORROW = timedelta(days=1)

Outcome = tuple[str, str, str, str | None]
"""Task name, queue, status and the class of the exception."""


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of tasks: how many of each thousand are of it, and what becomes of them."""

    per_thousand: int
    task_name: str
    queue: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    status: str = "COMPLETED"
    error: str | None = None
    due_in: timedelta | None = None

    @property
    def outcome(self) -> Outcome:
        """Return what becomes of its tasks."""
        return self.task_name, self.queue, self.status, self.error

    def body(self, now: datetime) -> dict[str, Any]:
        """Return the body of a submission."""
        body = {"task_name": self.task_name, "queue_name": self.queue, "task_args": self.args}
        due = {"scheduled_at": (now + self.due_in).isoformat()} if self.due_in else {}
        return body | {"task_kwargs": self.kwargs} | self.fields | due


PAYMENT = {"currency": "EUR", "amount": 9.5}
KINDS = (
    TaskKind(300, "celeriac.echo", "celery", args=[1, "two", None]),
    TaskKind(150, "celeriac.add", "billing", args=[2, 3]),
    TaskKind(100, "celeriac.wordcount", "reports", args=["to be or not to be"]),
    TaskKind(120, "process_payment", "payments", args=[7], kwargs=PAYMENT),
    TaskKind(
        40,
        "process_payment",
        "payments",
        args=[7],
        kwargs=PAYMENT | {"amount": -1},
        status="FAILED",
        error="ValueError",
    ),
    TaskKind(69, "celeriac.fail", "celery", args=["as asked"], status="FAILED", error="RuntimeError"),
    TaskKind(30, "celeriac.add", "billing", args=[1, "x"], status="FAILED", error="TypeError"),
    TaskKind(30, "celeriac.hash_file", "reports", args=["no-such-file"], status="FAILED", error="FileNotFoundError"),
    TaskKind(20, "celeriac.hash_file", "reports", args=["/"], status="FAILED", error="PermissionError"),
    TaskKind(40, "celeriac.flaky", "retries", args=["once", 1]),
    TaskKind(20, "celeriac.flaky", "retries", ["ever", 9], {}, {"max_retries": 1}, "FAILED", "RuntimeError"),
    TaskKind(
        1, "celeriac.sleep", "slow", [30], {}, {"timeout_seconds": 1, "max_retries": 0}, "FAILED", "TimeLimitExceeded"
    ),
    TaskKind(40, "celeriac.echo", "celery", args=["later"], due_in=SOON),
    TaskKind(40, "celeriac.echo", "celery", args=["never"], status="CANCELLED", due_in=TOMORROW),
)


def kinds_of(tasks: int) -> list[TaskKind]:
    """Return the kind of each task: all in their proportions, at least one of each, in an order that is always the
    same.
    """
    kinds = [kind for kind in KINDS for _ in range(max(1, tasks * kind.per_thousand // 1000))]
    random.Random(SHUFFLE_SEED).shuffle(kinds)
    return kinds


class Workload:
    """A number of tasks, and the cancels of those that are to be cancelled."""

    def __init__(self, client: httpx.Client, *, tasks: int) -> None:
        self._client = client
        self.kinds = kinds_of(tasks)

    @property
    def expected(self) -> Counter[Outcome]:
        """Count what should become of the tasks, by outcome."""
        return Counter(kind.outcome for kind in self.kinds)

    def submit(self) -> None:
        """Submit all of them and cancel what is to be cancelled; each answer is checked."""
        for portion in _portions(self.kinds):
            now = datetime.now(UTC)
            answer = self._client.post("/tasks/batch", json={"tasks": [kind.body(now) for kind in portion]})
            answer.raise_for_status()
            for kind, task_id in zip(portion, answer.json()["task_ids"], strict=True):
                if kind.status == "CANCELLED":
                    self._cancel(task_id)

    def _cancel(self, task_id: str) -> None:
        answer = self._client.post(f"/tasks/{task_id}/cancel")
        if (answer.status_code, answer.json().get("status")) != (200, "CANCELLED"):
            raise RuntimeError(f"a task that had not been dispatched was not cancelled: {answer.text}")


def _portions(kinds: Sequence[TaskKind]) -> Iterator[Sequence[TaskKind]]:
    for start in range(0, len(kinds), BATCH):
        yield kinds[start : start + BATCH]
