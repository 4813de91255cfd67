"""One mirror and two of them on full streams, on each broker: does a second one bring speed?

The mirrors run and have dealt out the shares before the clock begins, and find the same events on either broker: on
Redis they come all at once, on RabbitMQ while the mirrors are stopped.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

import amqp
import psycopg
import redis
import typer
from kombu import Connection
from uuid_utils import uuid7

from bench.figures import Series, Turn, alternate
from bench.ingest import store_results
from bench.intake import wait_until_shared, waiting
from bench.rabbitmq import rabbitmq, rabbitmq_program
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import (
    RunningProcess,
    Servers,
    processor_seconds,
    running_door,
    running_servers,
    temporary_folder,
    wait_until,
)
from bench.worker_events import EVENTS_PER_TASK, bodies_of
from domain.redis_keys import STREAM_KEY
from gateway.events.sources import EVENT_EXCHANGE
from gateway.events.stream import FIELD
from services.resident.sharing import GONE_SECONDS

TURN_SECONDS = 300.0
MOST_TASKS = {"Redis": 100_000, "RabbitMQ": 8_000}
"""How many can be told at once."""
COUNTS = {"one": 1, "two": 2}
TABLES = "tasks, task_arguments, task_results, attempts, events, feed, search_queue, rollup_deltas, workers"
# All at once: nothing is there to be read before everything is.
ADD_TO_STREAM = "for _, body in ipairs(ARGV) do redis.call('XADD', KEYS[1], '*', KEYS[2], body) end"


class Fill(Protocol):
    """Lets these messages wait for the mirrors."""

    def __call__(self, servers: Servers, mirrors: Sequence[RunningProcess], *, bodies: Sequence[bytes]) -> None: ...


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each turn, of four events each.")] = 20_000,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure two mirrors next to one."""
    present(measure(tasks=tasks, rounds=rounds), json_file)


def measure(*, tasks: int, rounds: int) -> Report:
    """Let one mirror and two take in the same events in turn, on Redis and, where it is installed, on RabbitMQ."""
    with running_servers() as servers, ExitStack() as stack:
        brokers: dict[str, tuple[Servers, Fill]] = {"Redis": (servers, fill_stream)}
        if rabbitmq_program():
            url = stack.enter_context(rabbitmq(Path(stack.enter_context(temporary_folder()))))
            brokers["RabbitMQ"] = (replace(servers, broker_url=url), fill_queue)
        turns = {
            f"{broker}, {word}": partial(_take_turn, *where, count=count, tasks=min(tasks, MOST_TASKS[broker]))
            for broker, where in brokers.items()
            for word, count in COUNTS.items()
        }
        measured = {series.name: series for series in alternate(turns, rounds=rounds)}
    return Report(
        title=f"{tasks * EVENTS_PER_TASK:,} events of {tasks:,} tasks wait, {rounds} alternating turns",
        unit="tasks",
        series=list(measured.values()),
        goals=[
            Goal(
                f"{broker}: two mirrors beside one, rate",
                1.6,
                measured[f"{broker}, two"].ratio_to(measured[f"{broker}, one"]),
            )
            for broker in brokers
        ],
        notes=[
            *(_compared(broker, measured[f"{broker}, one"], two=measured[f"{broker}, two"]) for broker in brokers),
            "cpu us: processor time of the mirrors and of all servers for a task.",
        ],
    )


def _compared(broker: str, one: Series, *, two: Series) -> str:
    """Return what company costs: where the processors are full, more mirrors cannot be faster."""
    busy = ", ".join(f"{series.rate * (series.cost or 0):.2f}" for series in (one, two))
    price = f"{two.cost / one.cost:.2f}" if one.cost and two.cost else "too short to be told"
    return f"{broker}: processor time a task two / one {price}; processors busy with one and with two: {busy}."


def _take_turn(servers: Servers, fill: Fill, *, count: int, tasks: int) -> Turn:
    ids = [str(uuid7()) for _ in range(tasks)]
    bodies = bodies_of(ids)
    store_results(servers, ids)
    with running_mirrors(servers, count) as mirrors:
        fill(servers, mirrors, bodies=bodies)
        begun, used = time.perf_counter(), processor_seconds()
        wait_until_stored(servers, tasks * EVENTS_PER_TASK)
        done = Turn(tasks, time.perf_counter() - begun, processor_seconds=processor_seconds() - used)
    _empty(servers)
    return done


@contextmanager
def running_mirrors(servers: Servers, count: int) -> Iterator[list[RunningProcess]]:
    """Start mirrors; each knows of the others and has its shares."""
    with ExitStack() as stack:
        mirrors = [stack.enter_context(running_door("mirror", servers, ready="mirror_ready")) for _ in range(count)]
        wait_until_shared(servers, count)
        yield mirrors


def fill_stream(servers: Servers, mirrors: Sequence[RunningProcess], *, bodies: Sequence[bytes]) -> None:
    """Add these to the plugin's stream, of which the mirrors need not be told."""
    del mirrors
    with redis.Redis.from_url(servers.redis_url) as stream:
        stream.eval(ADD_TO_STREAM, 2, STREAM_KEY, FIELD, *bodies)


def fill_queue(servers: Servers, mirrors: Sequence[RunningProcess], *, bodies: Sequence[bytes]) -> None:
    """Publish these as workers do, while the mirrors stand still: for less time than makes them count as gone."""
    begun = time.monotonic()
    for mirror in mirrors:
        mirror.process.send_signal(signal.SIGSTOP)
    _publish(servers.broker_url, bodies)
    for mirror in mirrors:
        mirror.process.send_signal(signal.SIGCONT)
    if time.monotonic() - begun > GONE_SECONDS - 1:
        raise RuntimeError("too slow: the mirrors no longer know of each other")


def _publish(broker_url: str, bodies: Sequence[bytes]) -> None:
    with Connection(broker_url) as connection:
        channel: Any = connection.default_channel
        for body in bodies:
            channel.basic_publish(
                amqp.Message(body, delivery_mode=2), exchange=EVENT_EXCHANGE, routing_key="task.multi"
            )


def wait_until_stored(servers: Servers, events: int) -> None:
    """Return when so many events are stored, and nothing waits on Redis."""
    with (
        psycopg.connect(servers.database_url, autocommit=True) as connection,
        redis.Redis.from_url(servers.redis_url) as ours,
    ):

        def are_stored() -> bool:
            return connection.execute("select count(*) from events").fetchone() == (events,) and not waiting(ours)

        wait_until(lambda: not waiting(ours), "empty streams", seconds=TURN_SECONDS)
        wait_until(are_stored, f"{events} events", seconds=TURN_SECONDS)


def _empty(servers: Servers) -> None:
    """Every turn finds the same: no tasks, no results, no messages."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"truncate {TABLES}")
    for url in (servers.result_url, servers.redis_url):
        with redis.Redis.from_url(url) as server:
            server.flushdb()


if __name__ == "__main__":
    typer.run(main)
