"""What the plugin costs a worker: as many no-op tasks as it can run, next to the same worker without the plugin.

Each worker has a queue of its own, which it does not consume while that is filled. A turn lasts from the order to
consume it until the queue is empty and every message acknowledged (asked every 20 ms). All tasks are Celeriac's
messages, so that each start is asked for and written down in Redis.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from time import perf_counter
from typing import Annotated

import psutil
import redis
import typer
from celery import Celery
from uuid_utils import uuid7

from bench.figures import Turn, alternate
from bench.noop_apps import TASK_NAME
from bench.plain_celery import plain_app
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import Servers, running, running_servers, temporary_folder, wait_until
from cli.launch import launch_command
from gateway.messages import TaskMessage
from gateway.publisher import Publisher

STOCK, PLUGGED = "stock", "plugged"
"""The apps of `noop_apps.py`, and their queues."""
PROCESSES = 2
GROUP = 500
WARM_UP = 200
DRAIN_SECONDS = 600.0
ANSWER_SECONDS = 5.0


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each turn.")] = 2_000,
    rounds: Rounds = 7,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure the plugin."""
    present(measure(tasks=tasks, rounds=rounds), json_file)


def measure(*, tasks: int, rounds: int) -> Report:
    """Let a worker with the plugin and one without run so many tasks in turn."""
    with running_servers() as servers, plain_app(servers, results=False) as app, ExitStack() as workers:
        processes = {name: workers.enter_context(_worker(name, servers, app=app)) for name in (STOCK, PLUGGED)}
        for name in processes:
            _run(name, servers, app=app, count=min(WARM_UP, tasks))
        spent = dict.fromkeys(processes, 0.0)

        def take_turn(name: str) -> Turn:
            before = _processor_seconds(processes[name], servers)
            turn = _run(name, servers, app=app, count=tasks)
            spent[name] += _processor_seconds(processes[name], servers) - before
            return turn

        measured = alternate({name: partial(take_turn, name) for name in processes}, rounds=rounds)
    plain, ours = measured
    micros = {name: seconds / (tasks * rounds) * 1e6 for name, seconds in spent.items()}
    pairs = [mine.rate / other.rate for mine, other in zip(ours.rounds, plain.rounds, strict=True)]
    return Report(
        title=f"No-op tasks on one worker, prefork -c {PROCESSES}, {tasks:,} a turn, {rounds} alternating turns",
        unit="tasks",
        series=measured,
        baselines=(plain.name,),
        goals=[Goal("percent less throughput with the plugin", 5, 100 * (1 - ours.ratio_to(plain)), at_most=True)],
        notes=[
            "plugged / stock, turn by turn: " + " ".join(f"{ratio:.3f}" for ratio in pairs),
            "processor time of the worker and of Valkey, which other programs disturb less: "
            + ", ".join(f"{name} {spent:,.0f} us a task" for name, spent in micros.items())
            + f" ({100 * (micros[PLUGGED] / micros[STOCK] - 1):+.1f} %)",
        ],
    )


@contextmanager
def _worker(name: str, servers: Servers, *, app: Celery) -> Iterator[psutil.Process]:
    options = ["-Q", name, "-n", f"{name}@bench", "-c", str(PROCESSES), "-l", "warning"]
    command = [sys.executable, "-m", "celery", "-A", f"bench.noop_apps:{name}", "worker", *options]
    environment = servers.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with temporary_folder() as folder:
        launch = launch_command([*command, "--without-gossip", "--without-mingle"], death_signal=signal.SIGTERM)
        with running(launch, folder / f"{name}.log", environment=environment) as worker:
            wait_until(lambda: bool(_order(app, name, command="ping")), f"the worker {name}")
            yield psutil.Process(worker.process.pid)


def _run(name: str, servers: Servers, *, app: Celery, count: int) -> Turn:
    _order(app, name, command="cancel_consumer", queue=name)
    asyncio.run(_publish(servers.broker_url, name, count=count))
    with redis.Redis.from_url(servers.broker_url) as broker:
        begun = perf_counter()
        _order(app, name, command="add_consumer", queue=name)
        wait_until(lambda: _is_drained(broker, name), "an empty queue", seconds=DRAIN_SECONDS)
        return Turn(count, perf_counter() - begun)


def _order(app: Celery, name: str, *, command: str, **arguments: str) -> object:
    return app.control.broadcast(
        command, arguments=arguments, destination=[f"{name}@bench"], reply=True, limit=1, timeout=ANSWER_SECONDS
    )


async def _publish(broker_url: str, queue: str, *, count: int) -> None:
    publisher = Publisher(broker_url)
    messages = [_message(queue) for _ in range(count)]
    for start in range(0, count, GROUP):
        await publisher.publish(messages[start : start + GROUP])
    await publisher.close()


def _message(queue: str) -> TaskMessage:
    return TaskMessage(
        task_id=str(uuid7()),
        task_name=TASK_NAME,
        args=[],
        kwargs={},
        queue_name=queue,
        priority=5,
        timeout_seconds=None,
        max_retries=3,
        dispatch_no=1,
    )


def _processor_seconds(worker: psutil.Process, servers: Servers) -> float:
    """Return what the worker's processes have used, and Valkey, which does its part of the work for all databases."""
    times = [process.cpu_times() for process in (worker, *worker.children(recursive=True))]
    with redis.Redis.from_url(servers.broker_url) as valkey:
        used = valkey.info("cpu")
    return sum(each.user + each.system for each in times) + float(used["used_cpu_user"] + used["used_cpu_sys"])


def _is_drained(broker: "redis.Redis", queue: str) -> bool:
    waiting = sum(broker.llen(key) for key in broker.scan_iter(match=f"{queue}*", _type="list"))
    return waiting == 0 and broker.hlen("unacked") == 0


if __name__ == "__main__":
    typer.run(main)
