"""How fast steps follow each other, next to Celery's own canvas on the same workers in the same run.

A chain, and a fan-out with a step before and one after it, first as workflows, then as `chain(...)` and
`chain(one, group(...), one)` of Celery, in alternating turns. On Celery's side nothing is stored: a canvas lives in its
messages. Latency: from the end of a step to the start of the next, by the worker's own time stamps.
"""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import httpx
import typer
from celery import Celery, chain, group
from celery.canvas import Signature

from bench.figures import Series, Turn, alternate, percentile
from bench.plain_celery import plain_app
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import running_up, wait_until

CHAIN, CHAIN_CANVAS = "chain, workflow", "chain, canvas"
FAN, FAN_CANVAS = "fan-out, workflow", "fan-out, canvas"
BETWEEN = "step to next step"
WHOLE_SECONDS = 600.0
LOOK_SECONDS = 0.05
"""Each look at a workflow takes 3 ms of the processors that its steps need."""
TASK_NAME = "celeriac.add"

Step = dict[str, Any]


def main(
    steps: Annotated[int, typer.Option(min=2, max=1000, help="Steps of the chain.")] = 1000,
    width: Annotated[int, typer.Option(min=1, max=998, help="Steps of the fan-out.")] = 500,
    *,
    idle_steps: Annotated[int, typer.Option(min=2, max=1000, help="Steps whose latency is measured.")] = 200,
    rounds: Rounds = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure workflows side by side."""
    present(measure(steps=steps, width=width, idle_steps=idle_steps, rounds=rounds), json_file)


def measure(*, steps: int, width: int, idle_steps: int, rounds: int) -> Report:
    """Let Celeriac's workflows and Celery's canvas run the same steps in turn."""
    with (
        running_up(workers=1) as stack,
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as client,
        plain_app(stack.servers) as app,
    ):
        contenders: dict[str, Callable[[], Turn]] = {
            CHAIN: partial(_run_workflow, client, _chain_steps(steps)),
            CHAIN_CANVAS: partial(_run_canvas, _chain_canvas(app, steps), steps),
            FAN: partial(_run_workflow, client, _fan_steps(width)),
            FAN_CANVAS: partial(_run_canvas, _fan_canvas(app, width), width + 2),
        }
        between = _latencies(client, idle_steps)
        measured = alternate(contenders, rounds=rounds)
    return Report(
        title=f"A chain of {steps:,} steps and a fan-out of {width}, {rounds} alternating turns",
        unit="steps",
        series=[*measured, Series(BETWEEN, (Turn(len(between), sum(between), tuple(between)),))],
        baselines=(CHAIN_CANVAS, FAN_CANVAS),
        goals=[Goal(f"{BETWEEN} on an idle system, p50 ms", 50, percentile(between, 50) * 1000, at_most=True)],
        notes=["A canvas keeps nothing: when its worker dies, what has not started is gone with its message."],
    )


def _step(step_id: str, *needs: str) -> Step:
    return {"id": step_id, "task_name": TASK_NAME, "task_args": [2, 3], "depends_on": list(needs)}


def _chain_steps(count: int) -> list[Step]:
    return [_step("0"), *(_step(str(n), str(n - 1)) for n in range(1, count))]


def _fan_steps(width: int) -> list[Step]:
    middle = [str(n) for n in range(width)]
    return [_step("first"), *(_step(step_id, "first") for step_id in middle), _step("last", *middle)]


def _run_workflow(client: httpx.Client, steps: list[Step]) -> Turn:
    """Time a workflow from the POST until it is seen as completed."""
    begun = time.perf_counter()
    _wait_for_end(client, _start(client, steps))
    return Turn(len(steps), time.perf_counter() - begun)


def _start(client: httpx.Client, steps: list[Step]) -> str:
    answer = client.post("/workflows", json={"name": f"bench-{time.time_ns()}", "steps": steps}).raise_for_status()
    return str(answer.json()["name"])


def _wait_for_end(client: httpx.Client, name: str) -> str:
    """The id of the workflow, once it has completed."""
    found: Step = {}

    def has_ended() -> bool:
        # A row of the list costs less than the whole workflow with a thousand steps.
        found.update(client.get("/workflows", params={"name": name}).raise_for_status().json()["data"][0])
        if found["status"] in ("FAILED", "CANCELLED"):
            raise RuntimeError(f"a workflow ended as {found['status']}")
        return bool(found["status"] == "COMPLETED")

    wait_until(has_ended, name, seconds=WHOLE_SECONDS, pause=LOOK_SECONDS)
    return str(found["workflow_id"])


def _latencies(client: httpx.Client, count: int) -> list[float]:
    """Seconds from the end of each step of a chain to the start of the next."""
    workflow_id = _wait_for_end(client, _start(client, _chain_steps(count)))
    steps = client.get(f"/workflows/{workflow_id}").raise_for_status().json()["steps"]
    starts = [datetime.fromisoformat(step["started_at"]) for step in steps[1:]]
    ends = [datetime.fromisoformat(step["completed_at"]) for step in steps[:-1]]
    return [(start - end).total_seconds() for start, end in zip(starts, ends, strict=True)]


def _chain_canvas(app: Celery, count: int) -> Signature:
    return chain(*(_signature(app) for _ in range(count)))


def _fan_canvas(app: Celery, width: int) -> Signature:
    return chain(_signature(app), group(_signature(app) for _ in range(width)), _signature(app))


def _signature(app: Celery) -> Signature:
    return app.signature(TASK_NAME, args=(2, 3), immutable=True)


def _run_canvas(canvas: Signature, count: int) -> Turn:
    """Time a canvas from the call until its last result is there."""
    begun = time.perf_counter()
    canvas.clone().apply_async().get(timeout=WHOLE_SECONDS)
    return Turn(count, time.perf_counter() - begun)


if __name__ == "__main__":
    typer.run(main)
