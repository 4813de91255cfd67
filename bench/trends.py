"""Trends over 30 days of ten million tasks of a hundred names and twenty queues, from one API process, over REST.

Trends read roll-ups alone, so it is these that are made: no task is. Each name has a queue of its own and shares the
default one, and its durations are spread as those of one kind of task are. Processor time is that of PostgreSQL and of
the API together: it scatters less than time on a clock does.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Annotated, Any

import httpx
import psycopg
import typer

from bench.figures import Turn, alternate, percentile
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import Servers, processor_seconds, running_api, running_servers

QUEUES, DAYS = 20, 30
GOAL_MS = 50
TIMEOUT_SECONDS = 60.0
WARM_UPS = 3
INTERVALS = ("hourly", "daily")
SUM_UP, SUM_UP_WEEKS = (
    import_module(f"store.migrations.versions.{name}").SUM_UP for name in ("0012_coarse_rollups", "0029_week_rollups")
)
packing = import_module("store.migrations.versions.0033_packed_durations")
FILLED = (
    "rollup_minutes, rollup_hours, rollup_days, rollup_hour_totals, rollup_hour_histograms, rollup_weeks, rollup_p95s"
)

# Each hour of each pair of name and queue; the first names are the busiest.
HOURS = """
    insert into rollup_hours
    select at, task, queue, measure, error, ceil(n * share), ceil(n * share) * timed, ceil(n * share) * timed * 400000
    from generate_series(date_trunc('hour', now()) - %(days)s * interval '1 day', now(), interval '1 hour') at,
         lateral (select 'shop.task_' || name as task, queue,
                         weight * %(tasks)s / %(days)s / 24 / %(weights)s as n
                  from generate_series(1, %(names)s) name,
                       lateral (values ('queue-' || name %% %(queues)s, 0.8 / name), ('celery', 0.2 / name))
                               of_name (queue, weight)) pairs,
         lateral (values ('submitted', '', 1.0, 0), ('started', '', 1.0, 1), ('completed', '', 0.95, 1),
                         ('failed', 'ValueError', 0.02, 1), ('failed', 'KeyError', 0.02, 1),
                         ('failed', 'Timeout', 0.01, 1)) measured (measure, error, share, timed)
"""
# What the window begins within. A task that comes once an hour is in one minute of it.
MINUTES = """
    insert into rollup_minutes
    select starts_at + nth * interval '1 minute', task_name, queue_name, measure, error, each, each * sign(timed),
           each * sign(timed) * 400000
    from rollup_hours, generate_series(0, 59) nth, lateral (values (floor(count / 60.0 + random()))) minute (each)
    where each > 0 and starts_at < %(before)s
"""
# A log-normal duration, as wide as a factor of a hundred in all, around another middle for each name.
SPREAD = """
    select starts_at, task_name, queue_name, bucket, sum(each)::bigint as count
    from (select starts_at, task_name, queue_name, (120 + abs(hashtext(task_name)) %% 40 + step)::smallint as bucket,
                 ceil(count * exp(-step * step / 200.0) / 25) as each
          from {table}, generate_series(-24, 24) step
          where measure = 'completed' and count * exp(-step * step / 200.0) / 25 > 0.3 and starts_at < %(before)s
         ) spread
    group by 1, 2, 3, 4
"""
# By the hour and by name, a window of 30 days reads no more than the hours before its first midnight.
HISTOGRAMS = f"""
    insert into rollup_histograms select starts_at, task_name, queue_name, measure, bucket, count
    from ({SPREAD.format(table="rollup_hours")}) spread, (values ('started'), ('completed')) each (measure)
"""
DAY_HISTOGRAMS = f"insert into rollup_day_histograms {SPREAD.format(table='rollup_days')}"
HOUR_HISTOGRAMS = """
    insert into rollup_hour_histograms
    select at, bucket, sum(count) / 24
    from rollup_day_histograms, generate_series(starts_at, starts_at + interval '23 hours', interval '1 hour') at
    where at <= now() group by 1, 2 having sum(count) >= 24
"""


def main(
    tasks: Annotated[int, typer.Option(min=1000, help="Tasks of 30 days.")] = 10_000_000,
    names: Annotated[int, typer.Option(min=1, max=1000, help="Names of tasks.")] = 100,
    *,
    requests: Annotated[int, typer.Option(min=1, help="Requests of each turn.")] = 20,
    rounds: Rounds = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure trends of a long window."""
    present(measure(tasks=tasks, names=names, requests=requests, rounds=rounds), json_file)


def measure(*, tasks: int, names: int, requests: int, rounds: int) -> Report:
    """Fill the roll-ups, and ask for trends by the hour and by the day in turns."""
    with running_servers() as servers:
        rows = fill(servers, tasks=tasks, names=names)
        with running_api(servers) as (url, _), httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
            asked = {interval: partial(_ask, client, interval, requests=requests) for interval in INTERVALS}
            for interval in INTERVALS:
                _ask(client, interval, requests=WARM_UPS)
            measured = alternate(asked, rounds=rounds)
    return Report(
        title=f"Trends over {DAYS} days of {tasks:,} tasks of {names} names, {rounds} turns of {requests} requests",
        unit="requests",
        series=measured,
        goals=[
            Goal(f"trends {each.name}, p95 ms", GOAL_MS, percentile(each.latencies, 95) * 1000, at_most=True)
            for each in measured
        ],
        notes=[f"Rows of {table}: {count:,}" for table, count in rows.items()],
    )


def fill(servers: Servers, *, tasks: int, names: int) -> dict[str, int]:
    """Make the roll-ups of so many tasks, as the loop would have folded them; returns how many rows each has."""
    weights = sum(1 / nth for nth in range(1, names + 1))
    values = {"days": DAYS, "names": names, "queues": QUEUES, "tasks": tasks, "weights": weights}
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute("set timezone = 'UTC'")
        # Made by the bucket, and packed as the migration packs them.
        for statement in packing.unpacked():
            connection.execute(statement)
        connection.execute(HOURS, values)
        for statement in SUM_UP.split(";")[:2]:
            connection.execute(statement)
        now = datetime.now(UTC)
        connection.execute(HISTOGRAMS, {"before": now - timedelta(days=DAYS - 1)})
        connection.execute(DAY_HISTOGRAMS, {"before": now})
        connection.execute(HOUR_HISTOGRAMS)
        connection.execute(SUM_UP_WEEKS)
        for statement in [*packing.packed(), *packing.replaced()]:
            connection.execute(statement)
        connection.execute(MINUTES, {"before": now - timedelta(days=DAYS) + timedelta(hours=1)})
        connection.execute(f"vacuum analyze {FILLED}")
        return {table: _count_rows(connection, table) for table in FILLED.split(", ")}


def _count_rows(connection: psycopg.Connection[Any], table: str) -> int:
    (count,) = connection.execute(f"select count(*) from {table}").fetchone() or (0,)
    return int(count)


def _ask(client: httpx.Client, interval: str, *, requests: int) -> Turn:
    latencies: list[float] = []
    used = processor_seconds()
    for _ in range(requests):
        begun = time.perf_counter()
        client.get("/api/v1/analytics/trends", params={"hours": DAYS * 24, "interval": interval}).raise_for_status()
        latencies.append(time.perf_counter() - begun)
    return Turn(requests, sum(latencies), tuple(latencies), processor_seconds() - used)


if __name__ == "__main__":
    typer.run(main)
