"""A month of history, a million tasks of it or ten: how long each way to read it takes, over REST.

Every request goes alone to one API process, again and again, with other values each time where there are any. Nothing
else runs; the tables are vacuumed, as autovacuum leaves them. Events are left out: nothing measured here reads them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from typing import Annotated, Any

import httpx
import psutil
import psycopg
import typer

from bench.figures import Series, Turn, percentile
from bench.load import load
from bench.report import Goal, JsonFile, Report, present
from bench.stack import Servers, running_api, running_servers
from domain.filters import SORT_COLUMNS

Parameters = dict[str, str | int | float]

CHUNK = 500_000
CONNECTIONS = 32
READ_SECONDS = 5.0
TIMEOUT_SECONDS = 120.0
MEBIBYTE = 2**20
PAGE_MS, TRENDS_MS = 50, 50

# One in twenty failed, one in two hundred was cancelled. Names, words and durations are as uneven as they are in life.
TASKS = """
    insert into tasks (task_id, task_name, status, phase, priority, queue_name, created_at, dispatched_at,
                       first_started_at, started_at, completed_at, duration_seconds, attempt_count, node, exception,
                       submitted_here, events_from, checked_at)
    select lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || replace(gen_random_uuid()::text, '-', ''),
           'shop.task_' || name, status, 'finished', 1 + (random() * 9)::int, 'queue-' || name %% 6, at,
           at + interval '10 ms', at + interval '50 ms', at + interval '50 ms', at + interval '50 ms' + run,
           extract(epoch from run), 1, 'celery@worker-' || (random() * 7)::int,
           case status when 'FAILED' then case when random() < 0.001 then 'MemoryError: out of memory in shard '
               else (array['ValueError: bad amount ', 'KeyError: customer ', 'TimeoutError: no answer from bank '])
                    [1 + (random() * 2)::int] end || (random() * 1e6)::int end,
           true, at, at
    from (select now() - interval '30 days' * (%(of)s - n) / %(of)s as at, (20 * random() ^ 2)::int as name,
                 interval '1 second' * -ln(1 - random()) / 2 as run,
                 case when random() < 0.05 then 'FAILED' when random() < 0.005 then 'CANCELLED' else 'COMPLETED' end
                     as status
          from generate_series(%(first)s::bigint, %(last)s::bigint) n) made
"""
# The common word is in each, one in a hundred has the other, and the number at the end is nearly unique.
ARGUMENTS = """
    insert into task_arguments (task_id, args, kwargs)
    select task_id, json_build_array('order', 'w' || (20000 * random() ^ 3)::int, 'w' || (20000 * random() ^ 3)::int),
           json_build_object('customer', 'c' || (random() * 1e7)::int, 'shop', 'shop' || (random() * 100)::int)
    from tasks where created_at >= %(since)s
"""
RESULTS = """
    insert into task_results (task_id, result) select task_id, '{"paid": true}' from tasks
    where created_at >= %(since)s and status = 'COMPLETED'
"""
ATTEMPTS = """
    insert into attempts (task_id, number, retries, delivery, state, node, received_at, started_at, finished_at)
    select task_id, 1, 0, 1, replace(replace(status, 'COMPLETED', 'SUCCEEDED'), 'CANCELLED', 'REVOKED'), node,
           dispatched_at, started_at, completed_at
    from tasks where created_at >= %(since)s
"""
DOCUMENTS = """
    insert into task_search
    select task_id, to_tsvector('simple', translate(concat_ws(' ', task_name, queue_name, node, task_id, exception,
           args, kwargs), '._-@:', '     '))
    from tasks join task_arguments using (task_id) where created_at >= %(since)s
"""
WORKERS = """
    insert into workers (worker_id, node, first_seen_at, last_heartbeat_at)
    select gen_random_uuid(), node, now(), now() from (select distinct node from tasks) seen
"""
COUNTED = """
    with counted as (
        select date_trunc('hour', happened.at) as starts_at, task_name, queue_name, measure,
               case measure when 'failed' then split_part(exception, ':', 1) else '' end as error,
               1 + ceil(ln((seconds * 1e6)::bigint) / ln(1.1))::smallint as bucket, (seconds * 1e6)::bigint as us
        from tasks, lateral (values ('submitted', created_at, null), ('started', started_at, 0.05),
                             (lower(status), completed_at, greatest(duration_seconds, 1e-6)))
                    happened (measure, at, seconds)
    ), hours as (
        insert into rollup_hours
        select starts_at, task_name, queue_name, measure, error, count(*), count(bucket), coalesce(sum(us), 0)
        from counted group by 1, 2, 3, 4, 5
    )
    insert into rollup_histograms
    select starts_at, task_name, queue_name, measure, bucket, count(*) from counted where bucket is not null
    group by 1, 2, 3, 4, 5
"""
SUM_UP, SUM_UP_WEEKS = (
    import_module(f"store.migrations.versions.{name}").SUM_UP for name in ("0012_coarse_rollups", "0029_week_rollups")
)
packing = import_module("store.migrations.versions.0033_packed_durations")
FULL_TEXT_INDEX = "select indexdef from pg_indexes where indexname = 'task_search_document'"
FILLED = (
    "tasks, task_arguments, task_results, attempts, task_search, workers, rollup_hours, rollup_days,"
    " rollup_hour_totals, rollup_hour_histograms, rollup_weeks, rollup_p95s"
)

PAGES: Mapping[str, Sequence[Parameters]] = {
    "first page": [{}],
    "one status": [{"status": status} for status in ("FAILED", "CANCELLED", "COMPLETED", "RUNNING")],
    "one queue": [{"queue_name": f"queue-{n}"} for n in range(6)],
    "one task name": [{"task_name": f"shop.task_{n}"} for n in range(20)],
    "page 1,000 by offset": [{"offset": 50_000 + n} for n in range(20)],
    **{
        f"sorted by {column}": [{"sort_by": column, "sort_order": order} for order in ("asc", "desc")]
        for column in SORT_COLUMNS
    },
    "priority": [{"priority": n} for n in range(1, 11)],
    "min_priority": [{"min_priority": n} for n in range(1, 11)],
    "worker_id": [{"worker_id": f"worker-{n}"} for n in range(8)],
    "error, frequent": [{"error": "customer"}, {"error": "bad amount"}],
    "error, rare": [{"error": f"shard {n}"} for n in range(10, 30)],
    "error, in none": [{"error": f"no such thing {n}"} for n in range(20)],
    "min_duration, rare": [{"min_duration": 5 + n / 10} for n in range(20)],
    "min_duration, common": [{"min_duration": n / 100} for n in range(20)],
    "max_duration": [{"max_duration": n / 100} for n in range(20)],
    **{
        f"{step}_after": [{f"{step}_after": f"-{n}h"} for n in range(1, 21)]
        for step in ("created", "started", "completed")
    },
    **{
        f"{step}_before": [{f"{step}_before": f"-{n}d"} for n in range(1, 21)]
        for step in ("created", "started", "completed")
    },
    "an hour": [{"created_after": f"-{n + 1}h", "created_before": f"-{n}h"} for n in range(20)],
    "status and queue": [{"status": "FAILED", "queue_name": f"queue-{n}"} for n in range(6)],
    "text: a word in all": [{"search": "order"}],
    "text: one in a hundred": [{"search": f"shop{n}"} for n in range(10, 30)],
    "text: rare": [{"search": f"c{1_000_000 + n * 7919}"} for n in range(20)],
    "text: two words": [{"search": f"shop{n} w{n}"} for n in range(10, 30)],
    "text: in none": [{"search": f"nowhere{n}"} for n in range(20)],
    "text and status": [{"search": f"shop{n}", "status": "FAILED"} for n in range(10, 30)],
}
"""Queries of `GET /search/tasks`, which the list shares its queries with; by turns, where there are several."""
UNINDEXED = ("priority", "status", "task_name", "queue_name")
BEYOND = {
    *(f"sorted by {column}" for column in UNINDEXED),
    *("page 1,000 by offset", "status and queue", "error, frequent"),
    *("text: a word in all", "text: one in a hundred", "text: two words", "text and status"),
}
"""Names of measurements that the goal is not about: sorts without an index, rows passed over, frequent words."""
TRENDS: Sequence[Parameters] = [{"hours": 720, "interval": interval} for interval in ("hourly", "daily")]


def main(
    tasks: Annotated[int, typer.Option(min=CHUNK // 500, help="Tasks of 30 days.")] = 1_000_000,
    repeat: Annotated[int, typer.Option(min=1, help="Requests of each kind.")] = 20,
    *,
    export: Annotated[int, typer.Option(min=1, help="Rows to export as CSV.")] = 500_000,
    json_file: JsonFile = None,
) -> None:
    """Measure reads of a long history."""
    present(measure(tasks=tasks, repeat=repeat, export=min(export, tasks)), json_file)


def measure(*, tasks: int, repeat: int, export: int) -> Report:
    """Fill a database with so many tasks, and measure each way to read them."""
    with running_servers() as servers:
        filling = time.perf_counter()
        size, task_id = _fill(servers, tasks)
        filled = time.perf_counter() - filling
        with running_api(servers) as (url, process), httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
            ask = partial(_asked, client, repeat=repeat)
            pages = [ask(name, path="/search/tasks", turns=each) for name, each in PAGES.items()]
            pages += [ask(f"preset {name}", path=f"/search/presets/{name}") for name in _preset_names(client)]
            trends = ask("trends over 30 days", path="/analytics/trends", turns=TRENDS)
            stats = ask("statistics", path="/dashboard/stats")
            with _growth(process) as grown:
                rows = _export(client, export)
            by_id = load(f"{url}/api/v1/tasks/{task_id}", None, connections=CONNECTIONS, seconds=READ_SECONDS)
    slowest = max((page for page in pages if page.name not in BEYOND), key=_p95)
    return Report(
        title=f"Reads of {tasks:,} tasks of 30 days, each {repeat} times",
        unit=None,
        series=[*pages, trends, stats],
        goals=[
            Goal(f"slowest page by an index ({slowest.name}), p95 ms", PAGE_MS, _p95(slowest), at_most=True),
            Goal("trends over 30 days, p95 ms", TRENDS_MS, _p95(trends), at_most=True),
            Goal("CSV rows a second", 100_000, rows),
            Goal("growth of the API process during the export, MiB", 50, grown[0], at_most=True),
            Goal("reads of one task a second in one API process", 1_500, by_id.rate),
        ],
        notes=[
            f"Slower than {PAGE_MS} ms: " + (", ".join(_slow(pages)) or "none"),
            f"The database has {size}; filled in {filled:,.0f} s.",
        ],
    )


def _asked(client: httpx.Client, name: str, *, path: str, turns: Sequence[Parameters] = ({},), repeat: int) -> Series:
    """One after another. The first round is not counted: it plans, and warms what everyday use keeps warm."""
    latencies: list[float] = []
    for query in islice(cycle(turns), len(turns) + repeat):
        begun = time.perf_counter()
        client.get(f"/api/v1{path}", params=query).raise_for_status()
        latencies.append(time.perf_counter() - begun)
    counted = tuple(latencies[len(turns) :])
    return Series(name, (Turn(repeat, sum(counted), counted),))


def _preset_names(client: httpx.Client) -> list[str]:
    presets: list[dict[str, Any]] = client.get("/api/v1/search/presets").raise_for_status().json()["data"]
    return [preset["name"] for preset in presets]


def _p95(series: Series) -> float:
    return percentile(series.latencies, 95) * 1000


def _slow(pages: list[Series]) -> Iterator[str]:
    return (f"{page.name} {_p95(page):,.0f}" for page in pages if _p95(page) > PAGE_MS)


def _export(client: httpx.Client, rows: int) -> float:
    """Rows a second."""
    begun, seen = time.perf_counter(), 0
    with client.stream("GET", "/api/v1/search/tasks/export/csv", params={"limit": rows}) as answer:
        for part in answer.raise_for_status().iter_raw():
            seen += part.count(b"\n")
    if seen != rows + 1:
        raise RuntimeError(f"{seen} lines of {rows} rows and their head")
    return rows / (time.perf_counter() - begun)


@contextmanager
def _growth(process: psutil.Process) -> Iterator[list[float]]:
    """Watch the growth of its memory meanwhile, in MiB."""
    before = process.memory_info().rss
    grown: list[float] = []
    yield grown
    grown.append((process.memory_info().rss - before) / MEBIBYTE)


def _fill(servers: Servers, tasks: int) -> tuple[str, str]:
    """The size of the database, and the id of a task."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute("set maintenance_work_mem = '1GB'")
        (definition,) = connection.execute(FULL_TEXT_INDEX).fetchone() or ("",)
        connection.execute("drop index task_search_document")
        for first in range(1, tasks + 1, CHUNK):
            _fill_chunk(connection, first, last=min(first + CHUNK - 1, tasks), of=tasks)
        connection.execute(definition)
        connection.execute(WORKERS)
        # Counted by the bucket, and packed as the migrations do it.
        statements = [*packing.unpacked(), COUNTED, SUM_UP, SUM_UP_WEEKS, *packing.packed(), *packing.replaced()]
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"vacuum analyze {FILLED}")
        connection.execute("checkpoint")
        found = connection.execute(
            "select pg_size_pretty(pg_database_size(current_database())), (select max(task_id) from tasks)"
        ).fetchone()
    assert found is not None
    return found[0], found[1]


def _fill_chunk(connection: psycopg.Connection[Any], first: int, *, last: int, of: int) -> None:
    with connection.transaction():
        since = connection.execute(
            "select now() - interval '30 days' * (%s - %s + 0.5) / %s", [of, first, of]
        ).fetchone()
        assert since is not None
        connection.execute(TASKS, {"first": first, "last": last, "of": of})
        for statement in (ARGUMENTS, RESULTS, ATTEMPTS, DOCUMENTS):
            connection.execute(statement, {"since": since[0]})


if __name__ == "__main__":
    typer.run(main)
