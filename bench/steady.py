"""The mirror of a running system, told of tasks at a steady rate by the stream of the plugin: how it batches them.

No worker is needed, which could not carry all rates. A transaction that stored events is known by its id, which
PostgreSQL keeps with each row (`xmin`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import redis
from uuid_utils import uuid7

from bench.ingest import store_results
from bench.processes import Parts, since, spent_by
from bench.stack import Servers, wait_until
from bench.worker_events import worker_bodies_at
from domain.redis_keys import STREAM_KEY
from gateway.events.stream import FIELD

TICK_SECONDS = 0.002
STORED_SECONDS = 120.0
EVENTS_OF_WORKER = 3
COMMITS = "select xmin::text, count(*) from events where task_id = any(%s) group by 1"


@dataclass(frozen=True, slots=True)
class Steady:
    """What became of one rate."""

    rate: int
    """Tasks a second, of three events each."""
    commits: Sequence[int]
    """How many events each commit held."""
    processor_us: float
    """Processor time of mirror and PostgreSQL for each event."""

    @property
    def mean(self) -> float:
        """Return how many events a commit held."""
        return sum(self.commits) / len(self.commits)


def tell_steadily(servers: Servers, parts: Parts, *, rate: int, seconds: float) -> Steady:
    """Tell of so many tasks a second, each received, started and ended, and wait until all is stored."""
    task_ids = [str(uuid7()) for _ in range(max(2, round(rate * seconds)))]
    store_results(servers, task_ids)
    measured = {name: parts[name] for name in ("mirror", "postgres")}
    before = spent_by(measured)
    with redis.Redis.from_url(servers.redis_url) as stream:
        _tell(stream, task_ids, rate=rate)
        wait_until(lambda: not stream.xlen(STREAM_KEY), "all events stored", seconds=STORED_SECONDS)
    used = sum(since(before, spent_by(measured)).values())
    with psycopg.connect(servers.database_url) as connection:
        commits = [int(count) for _, count in connection.execute(COMMITS, [task_ids])]
    if sum(commits) != EVENTS_OF_WORKER * len(task_ids):
        raise RuntimeError(f"{sum(commits)} events stored, not {EVENTS_OF_WORKER * len(task_ids)}")
    return Steady(rate, commits, used / sum(commits) * 1e6)


def _tell(stream: "redis.Redis", task_ids: Sequence[str], *, rate: int) -> None:
    """Send what is due every 2 ms; a worker's steps are those of its tasks, some in the middle of their lives."""
    begun, step = time.perf_counter(), 0
    bodies = worker_bodies_at(task_ids)
    while step < len(bodies):
        due = min(len(bodies), int((time.perf_counter() - begun) * rate) + 1)
        if due > step:
            with stream.pipeline(transaction=False) as pipe:
                for body in (body for bodies_of_step in bodies[step:due] for body in bodies_of_step):
                    pipe.xadd(STREAM_KEY, {FIELD: body})
                pipe.execute()
            step = due
        time.sleep(TICK_SECONDS)
