"""How fast one `celeriac loops` empties a full outbox, next to plain `app.send_task` for as many tasks.

Ours claims, publishes, records `dispatched` and commits. The process is up and idle when the tasks become visible, and
the turn ends when the outbox is seen empty (asked every 20 ms).
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import psycopg
import typer
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from bench.figures import Turn, alternate
from bench.plain_celery import ARGUMENTS, TASK_NAME, plain_app, send_many
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import QUEUE, Servers, empty_queue, running_door, running_servers, wait_until
from domain.submissions import Submission
from store.engine import open_engine
from store.queries import outbox, submissions

OURS, PLAIN, BARE = "loops", "send_task", "no backend"
GROUP = 500
DRAIN_SECONDS = 600.0


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the outbox at the start of each turn.")] = 5_000,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure the dispatcher."""
    present(measure(tasks=tasks, rounds=rounds), json_file)


def measure(*, tasks: int, rounds: int) -> Report:
    """Let the dispatcher and plain `send_task` hand over so many tasks in turn."""
    with (
        running_servers() as servers,
        plain_app(servers) as app,
        plain_app(servers, results=False) as bare_app,
        running_door("loops", servers, ready="loop_ready"),
    ):
        contenders: dict[str, Callable[[int], Turn]] = {
            OURS: partial(_dispatch, servers),
            PLAIN: partial(_send, servers, send=partial(send_many, app)),
            BARE: partial(_send, servers, send=partial(send_many, bare_app)),
        }
        for take_turn in contenders.values():
            take_turn(min(tasks, GROUP))  # warm-up
        turns = {name: partial(take_turn, tasks) for name, take_turn in contenders.items()}
        measured = alternate(turns, rounds=rounds)
    return Report(
        title=f"Dispatch of {tasks:,} tasks from the outbox to the broker, {rounds} alternating turns",
        unit="tasks",
        series=measured,
        baselines=(PLAIN, BARE),
        goals=[Goal("dispatch against plain send_task", 3, measured[0].ratio_to(measured[1]))],
        notes=[
            "Each dispatched task is also recorded in Postgres; send_task records nothing.",
            f"{BARE}: {PLAIN} of an application without a result backend, which saves a subscription for each task.",
        ],
    )


def _dispatch(servers: Servers, count: int) -> Turn:
    asyncio.run(fill_outbox(servers.database_url, count))
    begun = time.perf_counter()
    with psycopg.connect(servers.database_url, autocommit=True) as connection:

        def is_empty() -> bool:
            return connection.execute("select not exists (select from outbox)").fetchone() == (True,)

        wait_until(is_empty, "an empty outbox", seconds=DRAIN_SECONDS)
        turn = Turn(count, time.perf_counter() - begun)
        connection.execute("truncate tasks, task_arguments, events")
    empty_queue(servers.broker_url)
    return turn


def _send(servers: Servers, count: int, *, send: Callable[[int], Turn]) -> Turn:
    turn = send(count)
    empty_queue(servers.broker_url)
    return turn


async def fill_outbox(database_url: str, count: int) -> None:
    """Store so many tasks at once: nothing is due before the commit."""
    engine = open_engine(database_url, pool_size=1, name="celeriac bench", by_key=True)
    try:
        async with engine.begin() as connection:
            for start in range(0, count, GROUP):
                await _submit(connection, min(GROUP, count - start))
            await outbox.notify(connection)
    finally:
        await engine.dispose()


async def _submit(connection: AsyncConnection, count: int) -> None:
    await submissions.add_submissions(connection, [_submission() for _ in range(count)])


def _submission() -> Submission:
    return Submission(
        task_id=str(uuid7()),
        task_name=TASK_NAME,
        args=str(list(ARGUMENTS)),
        kwargs="{}",
        queue_name=QUEUE,
        priority=5,
        max_retries=3,
        timeout_seconds=None,
        scheduled_at=None,
        created_at=datetime.now(UTC),
    )


if __name__ == "__main__":
    typer.run(main)
