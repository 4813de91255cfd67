"""The whole life of a task, from its submission to its visible end, beside the same tasks on plain Celery with Flower.

What counts is the processor time of everything, a task: other programs disturb it less than the rate. Besides: what a
`celeriac up` costs while nothing happens, how long a task takes at half of the measured rate, and how many events the
mirror commits at once.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Annotated

import httpx
import typer

from bench.figures import Series, alternate, percentile
from bench.latency import follow
from bench.plain_celery import ARGUMENTS, TASK_NAME
from bench.processes import Parts, parts_of_up, since, spent_by
from bench.report import PERCENTS, Goal, JsonFile, Report, Rounds, present
from bench.sides import BATCH_SIZE, CONCURRENCY, our_side, plain_side
from bench.stack import Stack, running_up
from bench.steady import Steady, tell_steadily

OURS, PLAIN = "celeriac", "plain celery"
WARM_UP = 200
RATES = (10, 100, 1_000)
GATHERED_RATE = 100
"""The rate for which a goal says how many events a commit holds."""
QUIET_SECONDS = 6.0
"""The time after the start in which the first roll-ups are folded."""
TASK = {"task_name": TASK_NAME, "task_args": ARGUMENTS}


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each turn.")] = 2_000,
    rounds: Rounds = 3,
    *,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each steady stage.")] = 10.0,
    idle: Annotated[float, typer.Option(min=1, help="How long nothing happens.")] = 20.0,
    json_file: JsonFile = None,
) -> None:
    """Measure what a task costs in all."""
    present(measure(tasks=tasks, rounds=rounds, seconds=seconds, idle=idle), json_file)


def measure(*, tasks: int, rounds: int, seconds: float, idle: float) -> Report:
    """Rest; run so many tasks on each side in turn; then submit, and tell the mirror, at steady rates."""
    with running_up(workers=1, environment={"CELERIAC_CONCURRENCY": str(CONCURRENCY)}) as stack:
        parts = parts_of_up(stack.pid)
        resting = _rest(parts, idle)
        with our_side(stack, parts) as ours, plain_side(stack.servers, parts["valkey"]) as plain:
            for side in (ours, plain):
                side.warm_up(min(tasks, WARM_UP))
            turns = {OURS: partial(ours.take_turn, tasks), PLAIN: partial(plain.take_turn, tasks)}
            measured = alternate(turns, rounds=rounds)
        half = _follow_some(stack, rate=measured[0].rate / 2, seconds=seconds)
        steady = [tell_steadily(stack.servers, parts, rate=rate, seconds=seconds) for rate in RATES]
    costs = {f"{OURS}, cpu us": ours.microseconds(), f"{PLAIN}, cpu us": plain.microseconds()}
    return Report(
        title=f"The whole life of {tasks:,} tasks, prefork -c {CONCURRENCY}, {rounds} alternating turns",
        unit="tasks",
        series=measured,
        baselines=(PLAIN,),
        parts={**costs, "idle, % of a core": resting},
        goals=_goals(measured, steady, resting=sum(resting.values())),
        notes=_notes(steady, half, rate=measured[0].rate / 2),
    )


def _goals(measured: Sequence[Series], steady: Sequence[Steady], *, resting: float) -> list[Goal]:
    ours, plain = measured
    assert ours.cost
    assert plain.cost
    gathered = next(each.mean for each in steady if each.rate == GATHERED_RATE)
    return [
        Goal("processor time of a task beside plain Celery with Flower", 1.3, ours.cost / plain.cost, at_most=True),
        Goal("tasks a second beside plain Celery with Flower", 0.9, ours.ratio_to(plain)),
        Goal("percent of one core while nothing happens", 3, resting, at_most=True),
        Goal(f"events in one commit at {GATHERED_RATE} tasks a second", 25, gathered),
    ]


def _notes(steady: Sequence[Steady], half: Sequence[float], *, rate: float) -> list[str]:
    seen = " ".join(f"p{percent} {percentile(half, percent) * 1000:,.0f} ms" for percent in PERCENTS)
    return [
        f"{OURS}: batches of {BATCH_SIZE:,} through the API. {PLAIN}: send_task, acks_late, prefetch 1, -E, Flower.",
        f"POST to COMPLETED seen, one task after another, while {rate:.0f} others a second are submitted: {seen}",
        *(
            f"{each.rate:,} tasks a second told to the mirror: {each.mean:,.1f} events in one commit "
            f"({len(each.commits):,} commits, {max(each.commits):,} at most), {each.processor_us:,.0f} us of mirror "
            "and PostgreSQL an event"
            for each in steady
        ),
    ]


def _rest(parts: Parts, seconds: float) -> dict[str, float]:
    """Return the percentage of a core that each part uses while nobody wants anything."""
    time.sleep(QUIET_SECONDS)
    before = spent_by(parts)
    time.sleep(seconds)
    return {name: spent / seconds * 100 for name, spent in since(before, spent_by(parts)).items()}


def _follow_some(stack: Stack, *, rate: float, seconds: float) -> list[float]:
    """Return the seconds from POST to the visible end of one task after another, while others are submitted."""
    stopping = Event()
    with (
        ThreadPoolExecutor(1) as submitter,
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client,
    ):
        submitting = submitter.submit(_submit_steadily, stack, rate=rate, stopping=stopping)
        latencies, begun = [], time.perf_counter()
        try:
            while time.perf_counter() - begun < seconds:
                latencies.append(follow(client).visible)
        finally:
            stopping.set()
        submitting.result()
        return latencies


def _submit_steadily(stack: Stack, *, rate: float, stopping: Event) -> None:
    with httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client:
        begun, sent = time.perf_counter(), 0
        while not stopping.wait(max(0.0, begun + sent / rate - time.perf_counter())):
            client.post("/tasks", json=TASK).raise_for_status()
            sent += 1


if __name__ == "__main__":
    typer.run(main)
