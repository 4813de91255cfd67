"""What one portion of Celery's work costs while the processor's caches hold it, and when they have held other things.

Each portion is of the size of a task: a message is published to a broker in memory and read, and its task is run as a
worker runs it. All figures are processor time of one thread, so that programs which take the processor do not count;
what they leave in its caches does. Where many processes share few processors, each portion of each of them begins cold.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from celery import Celery
from kombu import Queue

from bench.figures import Turn, alternate
from bench.plain_celery import ARGUMENTS
from bench.report import JsonFile, Report, Rounds, present

WARM, SPOILED, RESTED = "warm", "after other data", "after a rest"
OTHER_BYTES = 8 * 1024 * 1024
"""More than a processor's own caches hold."""
REST_SECONDS = 0.002
WARM_UP = 100


def main(
    portions: Annotated[int, typer.Option(min=1, help="Portions in each turn.")] = 200,
    rounds: Rounds = 5,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure the same work with caches that hold it and with others."""
    present(measure(portions=portions, rounds=rounds), json_file)


def measure(*, portions: int, rounds: int) -> Report:
    """Do the same work at once, after other data were read, and after a rest in which others may run."""
    other, copy = bytes(OTHER_BYTES), bytearray(OTHER_BYTES)
    before: dict[str, Callable[[], object]] = {
        WARM: lambda: None,
        SPOILED: partial(copy.__setitem__, slice(None), other),
        RESTED: partial(time.sleep, REST_SECONDS),
    }
    work = _prepare_work()
    for _ in range(WARM_UP):
        work()
    measured = alternate(
        {name: partial(_take_turn, work, prepare, portions=portions) for name, prepare in before.items()}, rounds=rounds
    )
    warm, *cold = measured
    return Report(
        title=f"{portions} portions of the same work, {rounds} alternating turns",
        unit="portions",
        series=measured,
        notes=[
            *(f"{each.name}: processor time x {(each.cost or 0) / (warm.cost or 1):.1f}." for each in cold),
            "cpu us: processor time of a portion alone. The rates hold also what came before each.",
        ],
    )


def _prepare_work() -> Callable[[], None]:
    app = Celery("bench", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="bench.caches.add")
    def add(x: int, y: int) -> int:
        return x + y

    connection = app.connection_for_write()
    channel: Any = connection.default_channel
    options: dict[str, Any] = {"queue": "bench", "connection": connection}
    Queue("bench", channel=channel).declare()

    def work() -> None:
        add.apply_async(ARGUMENTS, **options)
        channel.basic_get("bench", no_ack=True)
        add.apply(ARGUMENTS)

    return work


def _take_turn(work: Callable[[], None], prepare: Callable[[], object], *, portions: int) -> Turn:
    begun, spent = time.perf_counter(), 0.0
    for _ in range(portions):
        prepare()
        used = time.thread_time()
        work()
        spent += time.thread_time() - used
    return Turn(portions, time.perf_counter() - begun, processor_seconds=spent)


if __name__ == "__main__":
    typer.run(main)
