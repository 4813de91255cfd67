"""The two that run the same tasks: a `celeriac up`, and plain Celery watched by Flower on the same Valkey.

Each has one worker with two processes. A turn is measured until nothing of it is left to be done: roll-ups are
folded, words can be searched for, Flower has heard every end.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import httpx
import psutil
import psycopg
import redis
from celery import Celery

from bench.figures import Turn
from bench.plain_celery import ARGUMENTS, TASK_NAME, plain_app
from bench.processes import Parts, Spent, since, spent_by
from bench.stack import Servers, Stack, free_ports, running, temporary_folder, wait_until
from cli.embedded.files import LOOPBACK
from cli.launch import launch_command

CONCURRENCY = 2
BATCH_SIZE = 1_000
PLAIN_BROKER, PLAIN_RESULTS = 5, 6
"""Databases of the Valkey that both share."""
TURN_SECONDS = 600.0
LOOK_SECONDS = 0.1
UNFINISHED = "select exists (select from tasks where status in ('PENDING', 'RUNNING') or result_pending)"
LEFT = "select exists (select from search_queue) or exists (select from rollup_deltas)"
ENDS_HEARD = re.compile(r'^flower_events_total\{.*type="task-succeeded".*\} (\S+)$', re.MULTILINE)


class Run(Protocol):
    """Runs so many tasks; returns the seconds until the last end could be seen, once nothing is left to be done."""

    def __call__(self, *, tasks: int) -> float: ...


@dataclass(slots=True)
class Side:
    """One of the two: its processes, how it runs tasks, and what that has cost."""

    parts: Parts
    run: Run
    spent: Spent = field(default_factory=dict)
    count: int = 0

    def take_turn(self, tasks: int) -> Turn:
        """Run so many tasks; what sends them is this process."""
        before, own = spent_by(self.parts), time.process_time()
        seconds = self.run(tasks=tasks)
        used = since(before, spent_by(self.parts)) | {"sender": time.process_time() - own}
        for name, spent in used.items():
            self.spent[name] = self.spent.get(name, 0.0) + spent
        self.count += tasks
        return Turn(tasks, seconds, processor_seconds=sum(used.values()))

    def warm_up(self, tasks: int) -> None:
        """Run so many tasks that do not count."""
        self.run(tasks=tasks)

    def microseconds(self) -> dict[str, float]:
        """Return the processor time of each part for one task, over all turns."""
        return {name: spent / self.count * 1e6 for name, spent in self.spent.items()}


@contextmanager
def our_side(stack: Stack, parts: Parts) -> Iterator[Side]:
    """Submit in batches to a `celeriac up` with one worker."""
    with (
        httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client,
        psycopg.connect(stack.servers.database_url, autocommit=True) as database,
    ):
        yield Side(parts, partial(_run_ours, client, database))


@contextmanager
def plain_side(servers: Servers, valkey: psutil.Process) -> Iterator[Side]:
    """Start a plain worker and Flower, and send them tasks as Celery does, one by one."""
    broker = servers.broker_url.rpartition("/")[0]
    own = replace(servers, broker_url=f"{broker}/{PLAIN_BROKER}", result_url=f"{broker}/{PLAIN_RESULTS}")
    [port] = free_ports(1)
    worker_options = ("--concurrency", str(CONCURRENCY), "--hostname", "plain@bench", "--loglevel", "info")
    with (
        plain_app(own) as app,
        redis.Redis.from_url(own.result_url) as results,
        httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=30) as flower,
        _celery("worker", *worker_options, servers=own) as worker,
        _celery("flower", f"--address={LOOPBACK}", f"--port={port}", servers=own) as watcher,
    ):
        wait_until(lambda: bool(app.control.ping(timeout=1.0)), "the plain worker")
        wait_until(lambda: _answers(flower), "Flower")
        parts = {"worker": worker, "flower": watcher, "valkey": valkey}
        yield Side(parts, partial(_run_plain, app, results, flower=flower))


def _run_ours(client: httpx.Client, database: "psycopg.Connection", *, tasks: int) -> float:
    begun = time.perf_counter()
    for start in range(0, tasks, BATCH_SIZE):
        task = {"task_name": TASK_NAME, "task_args": ARGUMENTS}
        client.post("/tasks/batch", json={"tasks": [task] * min(BATCH_SIZE, tasks - start)}).raise_for_status()
    _wait(lambda: not _is_so(database, UNFINISHED), "the end of all tasks")
    seconds = time.perf_counter() - begun
    _wait(lambda: not _is_so(database, LEFT), "roll-ups and words")
    return seconds


def _run_plain(app: Celery, results: "redis.Redis", *, flower: httpx.Client, tasks: int) -> float:
    heard = _ends_heard(flower) + tasks
    begun = time.perf_counter()
    for _ in range(tasks):
        app.send_task(TASK_NAME, args=ARGUMENTS)
    _wait(lambda: int(results.dbsize()) >= tasks, "all results")
    _wait(lambda: _ends_heard(flower) >= heard, "all ends in Flower")
    seconds = time.perf_counter() - begun
    results.flushdb()
    return seconds


def _is_so(database: "psycopg.Connection", question: str) -> bool:
    return database.execute(question).fetchone() == (True,)


def _ends_heard(flower: httpx.Client) -> float:
    return sum(float(count) for count in ENDS_HEARD.findall(flower.get("/metrics").text))


def _answers(flower: httpx.Client) -> bool:
    try:
        return flower.get("/metrics").is_success
    except httpx.TransportError:
        return False


def _wait(question: Callable[[], bool], what: str) -> None:
    """Ask seldom: what answers is measured."""
    deadline = time.monotonic() + TURN_SECONDS
    while not question():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {TURN_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


@contextmanager
def _celery(command: str, *options: str, servers: Servers) -> Iterator[psutil.Process]:
    """Start one of Celery's own commands on the plain app."""
    environment = {
        "BENCH_BROKER_URL": servers.broker_url,
        "BENCH_RESULT_URL": servers.result_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    argv = [sys.executable, "-m", "celery", "-A", "bench.plain_app", command, *options]
    launched = launch_command(argv, death_signal=signal.SIGTERM)
    with temporary_folder() as folder, running(launched, folder / f"{command}.log", environment=environment) as started:
        yield psutil.Process(started.process.pid)
