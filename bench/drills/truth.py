"""What the figures ought to be: counted from the rows of tasks and attempts, from Redis' lists and by Celery's inspect.

Nothing here reads a roll-up or asks the API.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
import redis
from celery import Celery
from psycopg.rows import dict_row

from bench.drills.workload import Outcome

INSPECT_SECONDS = 5.0
STEPS = "\x06\x16"
"""What stands between a queue's name and a priority, in the name of a Redis list."""

OUTCOMES = """
    select task_name, queue_name, status, split_part(exception_type, '.', -1) as error, count(*)
    from tasks left join task_results using (task_id) group by 1, 2, 3, 4
"""
UNFINISHED = "select count(*) from tasks where status in ('PENDING', 'RUNNING') or result_pending"
BY_STATUS = "select status, count(*) from tasks group by 1"
DUE = "select count(*) from outbox where due_at <= now()"
# Not the age of the process: `up` holds a worker until the mirror hears it, and only then it comes online.
UPTIMES = (
    "select node, extract(epoch from now() - online_at)::float8 as seconds from workers where online_at is not null"
)
BY_NODE = """
    select node, count(*)::float8 as rate, 100.0 * count(*) filter (where status = 'FAILED') / count(*) as errors
    from tasks
    where node is not null and date_bin('10 seconds', completed_at, 'epoch') > now() - interval '65 seconds'
    group by 1
"""

# What happened, one row for each: a submission, a first start with its wait, an end with its duration.
_HAPPENED = """
    with raw as (
        select tasks.*, (select min(started_at) from attempts where attempts.task_id = tasks.task_id) as first_start
        from tasks
    ), happened as (
        select task_name, queue_name, 'submitted' as what, created_at as at, null::float8 as seconds from raw
        union all
        select task_name, queue_name, 'started', first_start,
            greatest(0, extract(epoch from first_start - greatest(created_at, scheduled_at)))
        from raw where first_start is not null
        union all
        select task_name, queue_name, lower(status), completed_at, duration_seconds
        from raw where completed_at is not null
    )
"""
_FIGURES = """
    count(*) filter (where what = 'submitted') as submitted,
    count(*) filter (where what = 'completed') as completed,
    count(*) filter (where what = 'failed') as failed,
    count(*) filter (where what = 'cancelled') as cancelled,
    (100.0 * count(*) filter (where what = 'completed')
        / nullif(count(*) filter (where what in ('completed', 'failed')), 0))::float8 as completion_rate,
    avg(seconds) filter (where what = 'started') as average_wait_seconds,
    avg(seconds) filter (where what in ('completed', 'failed', 'cancelled')) as average_duration_seconds,
    percentile_disc(0.95) within group (order by seconds)
        filter (where what in ('completed', 'failed', 'cancelled')) as p95_duration_seconds
"""
_WITHIN = " from happened where at between %(since)s and %(until)s "
WHOLE: LiteralString = f"{_HAPPENED} select {_FIGURES} {_WITHIN}"
GROUPED: Mapping[str, LiteralString] = {
    "by_task": f"{_HAPPENED} select task_name as key, {_FIGURES} {_WITHIN} group by 1",
    "by_queue": f"{_HAPPENED} select queue_name as key, {_FIGURES} {_WITHIN} group by 1",
    "hourly": f"{_HAPPENED} select date_trunc('hour', at, 'UTC') as key, {_FIGURES} {_WITHIN} group by 1",
    "daily": f"{_HAPPENED} select date_trunc('day', at, 'UTC') as key, {_FIGURES} {_WITHIN} group by 1",
}
FAILURES = """
    select split_part(exception_type, '.', -1) as error, count(*),
        (100.0 * count(*) / sum(count(*)) over ())::float8 as percentage
    from tasks left join task_results using (task_id)
    where status = 'FAILED' and completed_at between %(since)s and %(until)s group by 1 order by 2 desc, 1
"""
PEAKS = """
    select to_char(created_at at time zone 'UTC', 'HH24:00') as hour from tasks
    where created_at between %(since)s and %(until)s group by 1 order by count(*) desc, 1 limit 5
"""

Row = dict[str, Any]


class Database:
    """Questions to the raw rows; each sees what is committed when it is asked."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, question: LiteralString, **values: object) -> list[Row]:
        """Return the rows that answer the question."""
        return self._connection.execute(question, values).fetchall()

    def number(self, question: LiteralString, **values: object) -> int:
        """Return the one number that answers the question."""
        (row,) = self.rows(question, **values)
        return int(row["count"])

    def outcomes(self) -> Counter[Outcome]:
        """Count the tasks by outcome."""
        return Counter(
            {
                (row["task_name"], row["queue_name"], row["status"], row["error"]): row["count"]
                for row in self.rows(OUTCOMES)
            }
        )

    def grouped(self, by: str, *, since: datetime, until: datetime) -> dict[Any, Row]:
        """Return the figures by task name, queue, hour or day: a key of `GROUPED`."""
        return {row.pop("key"): row for row in self.rows(GROUPED[by], since=since, until=until)}


@dataclass(frozen=True, slots=True)
class HeldTasks:
    """What Celery's workers say about themselves."""

    running: Mapping[str, int]
    """How many tasks each node runs."""
    by_queue: Counter[str]
    """How many tasks were received and are not finished."""
    processes: Mapping[str, int]
    """How many processes each node has."""


def ask_workers(app: Celery, *, expected: int) -> HeldTasks:
    """Ask until so many have answered one inspect of each kind; those that do not within 5 s are missing."""
    inspect = app.control.inspect(timeout=INSPECT_SECONDS, limit=expected)
    active, reserved, stats = inspect.active() or {}, inspect.reserved() or {}, inspect.stats() or {}
    requests = [request for held in (*active.values(), *reserved.values()) for request in held]
    return HeldTasks(
        running={node: len(requests) for node, requests in active.items()},
        by_queue=Counter(request["delivery_info"]["routing_key"] for request in requests),
        processes={node: len(told["pool"]["processes"]) for node, told in stats.items()},
    )


def count_waiting(broker_url: str) -> Counter[str]:
    """Count the messages in each list of Redis that is a queue, priorities together."""
    waiting: Counter[str] = Counter()
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        for key in client.scan_iter(count=1000, _type="list"):
            waiting[key.partition(STEPS)[0]] += client.llen(key)
    return waiting
