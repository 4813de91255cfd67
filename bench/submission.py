"""Durable submissions a second through `POST /tasks` and `/tasks/batch`, next to Flower's API and `send_task`.

One `celeriac up`, one broker, and a queue that nobody consumes. Ours commits each task, its arguments and its outbox
row before it answers, and goes on to dispatch them meanwhile; the others only publish.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from typing import Annotated

import psycopg
import typer

from bench.figures import Series, Turn, alternate
from bench.load import load
from bench.plain_celery import ARGUMENTS, TASK_NAME, plain_app, send_for
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import QUEUE, Servers, Stack, empty_queue, running, running_up, temporary_folder, wait_until
from cli.embedded.files import LOOPBACK, is_free, pick_port

OURS, BATCH, PLAIN, CEILING = "POST /tasks", "POST /tasks/batch", "send_task", "trivial app"
FLOWER, FLOWER_APPLY = "Flower send-task", "Flower async-apply"
BATCH_SIZE = 1_000
BATCH_CONNECTIONS = 2
SUBMISSION = {"task_name": TASK_NAME, "task_args": ARGUMENTS, "queue_name": QUEUE}
WARM_UP_SECONDS = 0.5
DRAIN_SECONDS = 300.0
NOTES = (
    f"{OURS}: committed before the answer, and dispatched to the broker meanwhile; the others only publish.",
    f"{BATCH}: {BATCH_SIZE:,} tasks in each request, on {BATCH_CONNECTIONS} connections.",
    f"{FLOWER_APPLY}: Flower has the task itself, and asks the result backend for its state before it answers.",
    f"{PLAIN}: one process, one after another.",
    f"{CEILING}: the load generator against an ASGI app that does nothing, measured once.",
)


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each turn.")] = 5.0,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="Keep-alive connections.")] = 32,
    *,
    rounds: Rounds = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure submissions side by side."""
    present(measure(seconds=seconds, connections=connections, rounds=rounds), json_file)


def measure(*, seconds: float, connections: int, rounds: int) -> Report:
    """Let each contender take submissions for so long in turn."""
    ceiling = Series(CEILING, (_measure_ceiling(seconds=seconds, connections=connections),))
    with running_up(flower=True) as stack, plain_app(stack.servers) as app:
        ours = partial(_submit_to_us, stack, connections=connections)
        batch = partial(_submit_batches, stack)
        send, apply = (
            partial(_submit_to_flower, stack, verb, connections=connections) for verb in ("send-task", "async-apply")
        )
        plain = partial(send_for, app)
        contenders = {OURS: ours, BATCH: batch, FLOWER: send, FLOWER_APPLY: apply, PLAIN: plain}
        for take_turn in contenders.values():
            take_turn(seconds=min(WARM_UP_SECONDS, seconds))
        turns = {name: partial(take_turn, seconds=seconds) for name, take_turn in contenders.items()}
        measured = alternate(turns, rounds=rounds)
    by_name = {series.name: series for series in measured}
    return Report(
        title=f"Submissions: {connections} connections, {rounds} alternating turns of {seconds:g} s",
        unit="submissions",
        series=[*measured, ceiling],
        baselines=(FLOWER, FLOWER_APPLY, PLAIN),
        goals=[
            Goal(f"{OURS} against {FLOWER}", 4, by_name[OURS].ratio_to(by_name[FLOWER])),
            Goal(f"{BATCH} against {FLOWER}, by task", 60, by_name[BATCH].ratio_to(by_name[FLOWER])),
        ],
        notes=NOTES,
    )


def _submit_to_us(stack: Stack, *, connections: int, seconds: float) -> Turn:
    body = json.dumps(SUBMISSION).encode()
    turn = load(f"{stack.api_url}/api/v1/tasks", body, connections=connections, seconds=seconds)
    _clear(stack.servers)
    return turn


def _submit_batches(stack: Stack, *, seconds: float) -> Turn:
    body = json.dumps({"tasks": [SUBMISSION] * BATCH_SIZE}).encode()
    url = f"{stack.api_url}/api/v1/tasks/batch"
    turn = load(url, body, connections=BATCH_CONNECTIONS, seconds=seconds)
    _clear(stack.servers)
    return replace(turn, count=turn.count * BATCH_SIZE)


def _submit_to_flower(stack: Stack, verb: str, *, connections: int, seconds: float) -> Turn:
    url = f"{stack.flower_url}/api/task/{verb}/{TASK_NAME}"
    body = json.dumps({"args": ARGUMENTS, "queue": QUEUE}).encode()
    turn = load(url, body, connections=connections, seconds=seconds)
    _clear(stack.servers)
    return turn


def _clear(servers: Servers) -> None:
    """Let the dispatcher finish and drop what was submitted: no turn works beside the leftovers of another."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:

        def is_drained() -> bool:
            return connection.execute("select not exists (select from outbox)").fetchone() == (True,)

        wait_until(is_drained, "an empty outbox", seconds=DRAIN_SECONDS)
        # One lock at a time: the loops go on meanwhile, and take theirs in an order of their own.
        for table in ("tasks", "task_arguments", "events", "outbox", "search_queue"):
            connection.execute(f"truncate {table}")
    empty_queue(servers.broker_url)


def _measure_ceiling(*, seconds: float, connections: int) -> Turn:
    """What the generator reaches against a server that does nothing; both share the processors, as in the turns."""
    port = pick_port()
    options = ["--host", LOOPBACK, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command = [sys.executable, "-m", "uvicorn", "bench.trivial:app", *options]
    with temporary_folder() as folder, running(command, folder / "trivial.log", environment={}):
        wait_until(lambda: not is_free(LOOPBACK, port), "the trivial app")
        return load(f"http://{LOOPBACK}:{port}/", b'{"task_name": "x"}', connections=connections, seconds=seconds)


if __name__ == "__main__":
    typer.run(main)
