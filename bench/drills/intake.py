"""A steady load on a worker with our plugin and nothing between it and the mirror: the setting of the drills on intake.

The tasks are published by Celery itself, so all that Postgres knows of them came as events.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import LiteralString

import psutil
import psycopg
import redis
from celery import Celery

from bench.drills.findings import Finding, equal
from bench.drills.freezing import server_of
from bench.intake import waiting
from bench.stack import RunningProcess, Servers, running_door, running_servers, wait_until
from domain.redis_keys import STREAM_KEY

QUEUE = "celery"
EVENTS = 3
"""How many events a task has: received, started, succeeded."""
EMPTY_SECONDS = 300.0

COUNTS: Mapping[str, LiteralString] = {
    "tasks": "select count(*) from tasks",
    "completed with their result": "select count(*) from tasks where status = 'COMPLETED' and not result_pending",
    "reconstructed": "select count(*) from tasks where reconstructed",
    "attempts": "select count(*) from attempts where state = 'SUCCEEDED'",
    "events": "select count(*) from events",
    "gaps": "select count(*) from gaps",
}


@contextmanager
def running_worker() -> Iterator[Servers]:
    """Start servers and a worker of two processes. The stream is there: some mirror has run once."""
    with running_servers() as servers:
        with running_mirror(servers), _redis(servers) as client:
            wait_until(lambda: bool(client.exists(STREAM_KEY)), "the stream")
        with running_door("worker", servers, ready=" ready."):
            yield servers


@contextmanager
def running_mirror(servers: Servers) -> Iterator[RunningProcess]:
    """Start a mirror and wait until it hears."""
    with running_door("mirror", servers, ready="mirror_ready") as mirror:
        yield mirror


class Load:
    """Publishes so many tasks a second until it is stopped or left; `published` counts them.

    `sent` has the ids, and when each was published by the monotonic clock.
    """

    def __init__(self, servers: Servers, *, rate: float) -> None:
        self.published = 0
        self.sent: dict[str, float] = {}
        self._app = Celery("drill", broker=servers.broker_url, set_as_current=False)
        self._app.conf.task_queue_max_priority = 10  # as our workers declare their queue on RabbitMQ
        self._rate = rate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._app.close()

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self._thread.join()

    def _publish(self) -> None:
        begun = time.monotonic()
        while not self._stopping.wait(max(0.0, begun + self.published / self._rate - time.monotonic())):
            sent = self._app.send_task("celeriac.add", args=(self.published, 1), queue=QUEUE)
            self.sent[sent.id] = time.monotonic()
            self.published += 1


@dataclass
class WatchedMemory:
    """The memory of a process in MB, second by second."""

    megabytes: list[float]

    @property
    def growth(self) -> float:
        """Return the growth from the tenth second, when all that it needs has been loaded, to the most it ever had."""
        settled = self.megabytes[min(10, len(self.megabytes) - 1)]
        return max(self.megabytes) - settled


def watch(mirror: RunningProcess, *, seconds: float) -> WatchedMemory:
    """Look at the memory of the mirror for so many seconds."""
    process = psutil.Process(mirror.process.pid)
    found = []
    for _ in range(round(seconds)):
        found.append(process.memory_info().rss / 1e6)
        time.sleep(1)
    return WatchedMemory(found)


def backlog(servers: Servers) -> int:
    """Count the messages and packets in the streams: what the mirrors are behind."""
    with _redis(servers) as client:
        return waiting(client)


def used_memory(servers: Servers) -> float:
    """Return the memory of Valkey, in MB."""
    with _redis(servers) as client:
        return float(client.info("memory")["used_memory"]) / 1e6


def wait_until_stored(servers: Servers, *, but: float = 0) -> float:
    """Return after how many seconds no more than `but` messages are in the stream. Under load it is never empty."""
    begun = time.monotonic()
    wait_until(lambda: backlog(servers) <= but, "an empty stream", seconds=EMPTY_SECONDS)
    return time.monotonic() - begun


def wait_until_run(servers: Servers) -> None:
    """Return when no task waits or runs any more."""
    with redis.Redis.from_url(servers.broker_url) as client:
        wait_until(
            lambda: client.llen(QUEUE) == 0 and client.hlen("unacked") == 0, "an empty queue", seconds=EMPTY_SECONDS
        )


def postgres() -> psutil.Process:
    """Return the process of Postgres itself, the parent of all others."""
    return server_of(os.getpid(), "postgres")


def counted(servers: Servers, published: int) -> Iterator[Finding]:
    """Yield the findings that nothing is missing and nothing is there twice."""
    each = dict.fromkeys(COUNTS, published) | {"events": published * EVENTS, "gaps": 0, "reconstructed": 0}
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        for name, question in COUNTS.items():
            (seen,) = connection.execute(question).fetchone() or (None,)
            yield equal(name, each[name], seen=seen)


def _redis(servers: Servers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url)
