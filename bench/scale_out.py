"""Two of each process next to one, on one PostgreSQL and one Valkey: submission, dispatch, intake, and all of them.

Each turn starts the processes that it measures, waits until they are idle, and measures them alone. Where one of each
keeps all processors busy, two cannot be faster; then the processor time of a task says whether company costs anything.
That grows also where two processors share a core, or when smaller batches are to be had: compare with care.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from statistics import median
from typing import Annotated

import httpx
import psycopg
import redis
import typer
from uuid_utils import uuid7

from bench.dispatch import fill_outbox
from bench.figures import Series, Turn, alternate
from bench.ingest import store_results
from bench.intake import wait_until_shared, waiting
from bench.load import load_evenly
from bench.plain_celery import ARGUMENTS, TASK_NAME
from bench.processes import Spent, since, spent_below
from bench.report import JsonFile, Report, Rounds, present
from bench.stack import (
    QUEUE,
    Servers,
    empty_queue,
    processor_seconds,
    running_api,
    running_door,
    running_servers,
    wait_until,
)
from bench.worker_events import EVENTS_PER_TASK, bodies_of
from domain.redis_keys import STREAM_KEY
from gateway.events.stream import FIELD


class Stage(StrEnum):
    """What is measured; the last is all of them, with workers."""

    SUBMISSION = "submission"
    DISPATCH = "dispatch"
    INTAKE = "intake"
    ALL = "POST to result"


PROCESSES = {"one": 1, "two": 2}
WORKERS = {1: 1, 2: 4}
"""How many workers there are, by how many there are of the others; each runs one task at a time."""
CONNECTIONS = 32
WARM_UP_SECONDS = 0.5
BATCH_SIZE = 500
TURN_SECONDS = 600.0
LOOK_SECONDS = 0.1
"""Whoever looks is measured too."""
TASK = {"task_name": TASK_NAME, "task_args": ARGUMENTS, "queue_name": QUEUE}
TABLES = (
    "tasks, task_arguments, task_results, attempts, events, outbox, search_queue, task_search, rollup_deltas, workers,"
    " registered_tasks"
)

# All at once: nothing is there to be read before everything is.
ADD_TO_STREAM = "for _, body in ipairs(ARGV) do redis.call('XADD', KEYS[1], '*', KEYS[2], body) end"


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each turn but those of submission.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each turn of submission.")] = 5.0,
    *,
    stage: Annotated[list[Stage], typer.Option(help="Only this one; may repeat.")] = list(Stage),  # noqa: B006
    rounds: Rounds = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure two of each process next to one."""
    present(measure(stage, tasks=tasks, seconds=seconds, rounds=rounds), json_file)


def measure(wanted: Sequence[Stage], *, tasks: int, seconds: float, rounds: int) -> Report:
    """Measure these stages with one and with two of each process in turn."""
    spent: dict[int, list[Spent]] = {count: [] for count in PROCESSES.values()}
    with running_servers() as servers:
        stages: dict[Stage, Callable[[int], Turn]] = {
            Stage.SUBMISSION: partial(_submit, servers, seconds=seconds),
            Stage.DISPATCH: partial(_dispatch, servers, tasks=tasks),
            Stage.INTAKE: partial(_take_in, servers, tasks=tasks),
            Stage.ALL: partial(_run_all, servers, tasks=tasks, spent=spent),
        }
        turns = {
            f"{stage}, {word}": partial(_take_turn, servers, take_turn, count=count)
            for stage, take_turn in stages.items()
            if stage in wanted
            for word, count in PROCESSES.items()
        }
        measured = alternate(turns, rounds=rounds)
    by_name = {series.name: series for series in measured}
    return Report(
        title=f"One and two of each process, {tasks:,} tasks or {seconds:g} s a turn, {rounds} alternating turns",
        unit="tasks",
        series=measured,
        parts={f"{word}, cpu us": _median_us(spent[count], tasks) for word, count in PROCESSES.items() if spent[count]},
        notes=[
            *(_compared(stage, [by_name[f"{stage}, {word}"] for word in PROCESSES]) for stage in wanted),
            f"{Stage.SUBMISSION}: `celeriac api`, {CONNECTIONS} connections in all.",
            f"{Stage.DISPATCH}: `celeriac loops`.",
            f"{Stage.INTAKE}: `celeriac mirror`, {EVENTS_PER_TASK} events a task from the plugin's stream.",
            f"{Stage.ALL}: api, loops, mirror and one worker, next to two of each and {WORKERS[2]} workers.",
            "cpu us: processor time of all processes and of both servers for a task, without the load generator.",
        ],
    )


def _compared(stage: str, series: Sequence[Series]) -> str:
    one, two = series
    cost = f"{two.cost / one.cost:.2f}" if one.cost and two.cost else "too short to be told"
    return f"{stage}: two / one {two.ratio_to(one):.2f}, processor time a task {cost}"


def _take_turn(servers: Servers, take_turn: Callable[[int], Turn], *, count: int) -> Turn:
    done = take_turn(count)
    _empty(servers)
    return done


def _submit(servers: Servers, count: int, *, seconds: float) -> Turn:
    with _apis(servers, count) as urls:
        addresses = [f"{url}/api/v1/tasks" for url in urls]
        body = httpx.Request("POST", addresses[0], json=TASK).content
        load_evenly(addresses, body, connections=CONNECTIONS, seconds=min(WARM_UP_SECONDS, seconds))
        used = processor_seconds()
        done = load_evenly(addresses, body, connections=CONNECTIONS, seconds=seconds)
        return replace(done, processor_seconds=processor_seconds() - used)


def _dispatch(servers: Servers, count: int, *, tasks: int) -> Turn:
    with _doors("loops", servers, count=count, ready="loop_ready"):
        asyncio.run(fill_outbox(servers.database_url, tasks))
        return _timed(tasks, lambda: _wait_until_none(servers, "outbox", condition="true"))


def _take_in(servers: Servers, count: int, *, tasks: int) -> Turn:
    ids = [str(uuid7()) for _ in range(tasks)]
    bodies = bodies_of(ids)
    store_results(servers, ids)
    with _mirrors(servers, count), redis.Redis.from_url(servers.redis_url) as stream:
        stream.eval(ADD_TO_STREAM, 2, STREAM_KEY, FIELD, *bodies)
        done = _timed(tasks, lambda: wait_until(lambda: not waiting(stream), "empty streams", seconds=TURN_SECONDS))
    _expect(servers, "events", condition="true", count=tasks * EVENTS_PER_TASK)
    return done


def _run_all(servers: Servers, count: int, *, tasks: int, spent: Mapping[int, list[Spent]]) -> Turn:
    with (
        _mirrors(servers, count),
        _doors("loops", servers, count=count, ready="loop_ready"),
        _workers(servers, WORKERS[count]),
        _apis(servers, count) as urls,
    ):
        before = spent_below()
        done = _timed(tasks, lambda: _submit_and_await(servers, urls, tasks=tasks))
        spent[count].append(since(before, spent_below()))
    _expect(servers, "tasks", condition="status = 'COMPLETED' and not result_pending", count=tasks)
    return done


def _median_us(turns: Sequence[Spent], tasks: int) -> dict[str, float]:
    """The median of all turns for each kind of process, for one task."""
    return {name: median(turn.get(name, 0.0) for turn in turns) / tasks * 1e6 for name in turns[0]}


def _timed(count: int, work: Callable[[], None]) -> Turn:
    begun, used = time.perf_counter(), processor_seconds()
    work()
    return Turn(count, time.perf_counter() - begun, processor_seconds=processor_seconds() - used)


def _submit_and_await(servers: Servers, urls: Sequence[str], *, tasks: int) -> None:
    with httpx.Client(timeout=30) as client:
        for nth, start in enumerate(range(0, tasks, BATCH_SIZE)):
            batch = {"tasks": [TASK] * min(BATCH_SIZE, tasks - start)}
            client.post(f"{urls[nth % len(urls)]}/api/v1/tasks/batch", json=batch).raise_for_status()
    _wait_until_none(servers, "tasks", condition="status in ('PENDING', 'RUNNING') or result_pending")


@contextmanager
def _apis(servers: Servers, count: int) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_api(servers))[0] for _ in range(count)]


@contextmanager
def _doors(name: str, servers: Servers, *, count: int, ready: str) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running_door(name, servers, ready=ready))
        yield


@contextmanager
def _mirrors(servers: Servers, count: int) -> Iterator[None]:
    """Each knows of the others and has its shares."""
    with _doors("mirror", servers, count=count, ready="mirror_ready"):
        wait_until_shared(servers, count)
        yield


@contextmanager
def _workers(servers: Servers, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for nth in range(count):
            options = ("--hostname", f"worker-{nth}@bench", "--queues", QUEUE, "--concurrency", "1")
            stack.enter_context(running_door("worker", servers, *options, ready=" ready."))
        yield


def _wait_until_none(servers: Servers, table: str, *, condition: str) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        question = f"select not exists (select from {table} where {condition})"
        wait_until(
            lambda: connection.execute(question).fetchone() == (True,),
            f"no such {table}",
            seconds=TURN_SECONDS,
            pause=LOOK_SECONDS,
        )


def _expect(servers: Servers, table: str, *, condition: str, count: int) -> None:
    with psycopg.connect(servers.database_url) as connection:
        found = connection.execute(f"select count(*) from {table} where {condition}").fetchone()
    if found != (count,):
        raise RuntimeError(f"{found} {table} where {condition}, not {count}")


def _empty(servers: Servers) -> None:
    """Every turn finds the same: no tasks, no results, no messages."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"truncate {TABLES}")
    empty_queue(servers.broker_url)
    with redis.Redis.from_url(servers.result_url) as results, redis.Redis.from_url(servers.redis_url) as ours:
        results.flushdb()
        ours.flushdb()


if __name__ == "__main__":
    typer.run(main)
