"""Tasks a second that the retention loop deletes, beside as many that it keeps; and how long each of its batches takes.

A task has its arguments, its result, one attempt and its document for full-text search, as most have.
"""

import asyncio
import logging
import time
from datetime import timedelta
from functools import partial
from typing import Annotated

import psycopg
import structlog
import typer

from bench.figures import Turn, alternate
from bench.report import JsonFile, Report, Rounds, present
from bench.stack import Servers, running_servers
from domain.retention import Retention
from loops.retention import BATCH_SIZE, RetentionRound
from store.engine import open_engine

KEPT = Retention(finished=timedelta(days=30), failed=timedelta(days=90))

# One in twenty failed. The first half of the tasks is older than all retention, the second half is of today.
FILL = (
    """
    insert into tasks (task_id, task_name, status, phase, queue_name, created_at, completed_at, events_from,
                       checked_at, attempt_count, node)
    select gen_random_uuid()::text, 'bench.noop', case when mod(nth, 20) = 0 then 'FAILED' else 'COMPLETED' end,
           'finished', 'bench', at, at, at, at, 1, 'celery@bench'
    from (select nth, now() - interval '1 hour' - nth * interval '0.1 s'
                 - case when nth <= %(old)s then interval '95 days' else interval '0' end as at
          from generate_series(1, 2 * %(old)s) as nth) as made
    """,
    "insert into task_arguments (task_id, args, kwargs) select task_id, '[2, 3]', '{}' from tasks",
    "insert into task_results (task_id, result) select task_id, '5' from tasks",
    "insert into attempts (task_id, number, retries, delivery, state) select task_id, 1, 0, 1, 'SUCCEEDED' from tasks",
    "insert into task_search select task_id, to_tsvector('simple', 'bench noop celery ' || task_id) from tasks",
)
TABLES = "tasks, task_arguments, task_results, attempts, task_search"


def main(
    tasks: Annotated[
        int, typer.Option(min=1, help="Tasks that each turn deletes, and as many that it keeps.")
    ] = 200_000,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure the deletion of old tasks."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    present(measure(tasks=tasks, rounds=rounds), json_file)


def measure(*, tasks: int, rounds: int) -> Report:
    """Delete so many old tasks among as many that stay, and time each batch."""
    with running_servers() as servers:
        measured = alternate({"retention": partial(_delete, servers, tasks)}, rounds=rounds)
    return Report(
        title=f"Deletion of {tasks:,} old tasks beside {tasks:,} of today, {rounds} turns",
        unit="tasks",
        series=measured,
        notes=[f"Batches of at most {BATCH_SIZE:,} of each status; the latency is that of a round."],
    )


def _delete(servers: Servers, count: int) -> Turn:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, {"old": count} if "%(" in statement else None)
        connection.execute(f"vacuum analyze {TABLES}")
        latencies = asyncio.run(_run_rounds(servers))
        left = connection.execute("select count(*) from tasks").fetchone()
        if left != (count,):
            raise RuntimeError(f"{left} tasks are left of {count} to be kept")
        connection.execute(f"truncate {TABLES}")
    return Turn(count, sum(latencies), tuple(latencies))


async def _run_rounds(servers: Servers) -> list[float]:
    """Run rounds until nothing is left to do; returns the seconds of each."""
    engine = open_engine(servers.database_url, pool_size=1, name="celeriac bench", by_key=True)
    retention, latencies, pause = RetentionRound(engine, KEPT), [], 0.0
    try:
        while not pause:
            begun = time.perf_counter()
            pause = await retention.run_once()
            latencies.append(time.perf_counter() - begun)
    finally:
        await engine.dispose()
    return latencies


if __name__ == "__main__":
    typer.run(main)
