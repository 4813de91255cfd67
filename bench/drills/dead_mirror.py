"""Two mirrors under load, one killed with kill -9, on each broker: nothing is lost, and its share is soon taken over.

It is stopped for a second before, so that it surely has messages that it has read and not stored, and packets are on
their way to it. How long a share stands still is how long its tasks take from being sent to being seen to end.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import psycopg
import redis
import typer

from bench.drills.findings import DrillReport, Finding, equal, present
from bench.drills.intake import EVENTS, Load, counted, running_mirror
from bench.intake import wait_until_shared, waiting
from bench.rabbitmq import rabbitmq, rabbitmq_program
from bench.report import JsonFile
from bench.stack import Servers, running_door, running_servers, temporary_folder, wait_until

LIMIT_SECONDS = 15.0
STORED_SECONDS = 120.0
HELD_SECONDS = 1.0
LOOK_SECONDS = 0.2


def main(
    seconds: Annotated[int, typer.Option(min=20, help="How long the load lasts; the kill is after a third.")] = 45,
    rate: Annotated[float, typer.Option(min=1, help="Tasks a second, of three events each.")] = 50,
    *,
    json_file: JsonFile = None,
) -> None:
    """Kill one of two mirrors."""
    present(measure(seconds=seconds, rate=rate), json_file)


def measure(*, seconds: int, rate: float) -> DrillReport:
    """Kill one of two mirrors on Redis and, where it is installed, on RabbitMQ."""
    findings: list[Finding] = []
    measured: dict[str, float] = {}
    with ExitStack() as stack:
        brokers: dict[str, str | None] = {"Redis": None}
        if rabbitmq_program():
            brokers["RabbitMQ"] = stack.enter_context(rabbitmq(Path(stack.enter_context(temporary_folder()))))
        for name, url in brokers.items():
            taken_over, found = _kill_one(url, seconds=seconds, rate=rate)
            measured[f"{name}: longest wait of a task around the kill, seconds"] = round(taken_over, 1)
            findings += [
                equal(f"{name}: the share is taken over within {LIMIT_SECONDS:g} s", True, seen=_is_soon(taken_over)),
                *(replace(finding, promise=f"{name}: {finding.promise}") for finding in found),
            ]
    return DrillReport(
        title=f"One of two mirrors killed under {rate:g} tasks a second", findings=findings, measured=measured
    )


def _is_soon(seconds: float) -> bool:
    return seconds <= LIMIT_SECONDS


def _kill_one(broker_url: str | None, *, seconds: int, rate: float) -> tuple[float, Sequence[Finding]]:
    with running_servers() as found:
        servers = replace(found, broker_url=broker_url or found.broker_url)
        with running_mirror(servers), running_mirror(servers) as victim:
            wait_until_shared(servers, 2)
            with running_door("worker", servers, ready=" ready."), Load(servers, rate=rate) as load:
                time.sleep(seconds / 3)
                victim.process.send_signal(signal.SIGSTOP)
                time.sleep(HELD_SECONDS)
                victim.process.kill()
                waits = _watch(servers, load, seconds=seconds * 2 / 3)
                load.stop()
                wait_until(partial(_is_all_stored, servers, load.published), "all events", seconds=STORED_SECONDS)
        return max(waits), list(_counted(servers, load.published))


def _watch(servers: Servers, load: Load, *, seconds: float) -> list[float]:
    """Return how long each task took that was seen to end meanwhile, and those that were not, until now."""
    question = "select task_id from tasks where task_id = any(%s) and status = 'COMPLETED'"
    waits: dict[str, float] = {}
    until = time.monotonic() + seconds
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            left = [task_id for task_id in list(load.sent) if task_id not in waits]
            found = connection.execute(question, [left]).fetchall()
            waits |= {task_id: time.monotonic() - load.sent[task_id] for (task_id,) in found}
    now = time.monotonic()
    waits |= {task_id: now - sent_at for task_id, sent_at in list(load.sent.items()) if task_id not in waits}
    # What ended before the mirror was stopped was seen at the first look, long after.
    return [wait for task_id, wait in waits.items() if load.sent[task_id] > until - seconds - HELD_SECONDS]


def _is_all_stored(servers: Servers, tasks: int) -> bool:
    with psycopg.connect(servers.database_url) as connection, redis.Redis.from_url(servers.redis_url) as ours:
        events = connection.execute("select count(*) from events").fetchone()
        return events == (tasks * EVENTS,) and not waiting(ours)


def _counted(servers: Servers, published: int) -> Iterator[Finding]:
    yield from counted(servers, published)
    with redis.Redis.from_url(servers.redis_url) as ours:
        yield equal("messages and packets that nobody has stored", 0, seen=waiting(ours))
