"""Two mirrors under load, one killed in the middle: the same rows as one mirror writes from the same events.

Everything that is published is recorded on the side, and afterwards written into a second database by one writer.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg
import redis
import typer

from bench.drills.findings import DrillReport, Finding, equal, present
from bench.drills.intake import Load, counted, running_mirror, running_worker, wait_until_run, wait_until_stored
from bench.report import JsonFile
from bench.stack import Servers
from gateway.events.sources import EventMessage
from gateway.results.reader import ResultReader
from mirror.main import MAX_BATCH
from mirror.writer import Writer
from store.engine import open_engine
from store.migrate import migrate

ALONE = "alone"
DRAIN_SECONDS = 1.0

# Times of ours (when a row was written, looked at or made) are left out.
ROWS: Mapping[str, LiteralString] = {
    "tasks": "select task_id, task_name, status, phase, queue_name, node, retry_count, started_at, completed_at,"
    " duration_seconds, reconstructed, result_pending from tasks order by 1",
    "attempts": "select * from attempts order by task_id, number",
    "events": "select task_id, occurred_at, event_key, event_type, node, pid, clock, retries, details::text"
    " from events order by 1, 2, 3",
    "results": "select task_id, result::text, exception_type, exception_message from task_results order by 1",
}


def main(
    seconds: Annotated[int, typer.Option(min=4, help="How long the load lasts; the kill is in the middle.")] = 30,
    rate: Annotated[float, typer.Option(min=1, help="Tasks a second, of three events each.")] = 100,
    *,
    json_file: JsonFile = None,
) -> None:
    """Run two mirrors, kill one, and compare the rows with those of one."""
    present(measure(seconds=seconds, rate=rate), json_file)


def measure(*, seconds: int, rate: float) -> DrillReport:
    """Let two mirrors share the load and kill one, then compare the rows with those of one writer."""
    with running_worker() as servers, Recorder(servers) as recorder:
        with running_mirror(servers), Load(servers, rate=rate) as load:
            with running_mirror(servers) as second:
                time.sleep(seconds / 2)
                second.process.kill()
            time.sleep(seconds / 2)
        with running_mirror(servers):
            wait_until_run(servers)
            wait_until_stored(servers)
        recorded = recorder.messages()
        alone = _write_alone(servers, recorded)
        findings = [*counted(servers, load.published), *_compared(servers.database_url, alone)]
    return DrillReport(
        title=f"Two mirrors, one killed after {seconds / 2:g} of {seconds} s, {rate:g} tasks a second",
        findings=findings,
        measured={"messages recorded on the side": len(recorded)},
    )


class Recorder:
    """Subscribed like Flower, and keeps all that comes."""

    def __init__(self, servers: Servers) -> None:
        self._client = redis.Redis.from_url(servers.broker_url)
        self._subscription = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._bodies: list[bytes] = []

    def __enter__(self) -> "Recorder":
        self._subscription.psubscribe(**{"/0.celeryev*": self._keep})
        self._thread = self._subscription.run_in_thread(sleep_time=0.1, daemon=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop()
        self._thread.join()
        self._client.close()

    def messages(self) -> list[EventMessage]:
        """Return all messages once no more comes."""
        count = -1
        while count != len(self._bodies):
            count = len(self._bodies)
            time.sleep(DRAIN_SECONDS)
        now = datetime.now(UTC)
        return [EventMessage(body, now) for body in self._bodies]

    def _keep(self, message: dict[str, Any]) -> None:
        envelope = msgspec.json.decode(message["data"])
        self._bodies.append(msgspec.json.decode(f'"{envelope["body"]}"', type=bytes))


def _write_alone(servers: Servers, messages: Sequence[EventMessage]) -> str:
    """The URL of a second database with what one writer makes of these."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"create database {ALONE}")
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{ALONE}"))
    migrate(url)
    asyncio.run(_write(url, servers.result_url, messages=messages))
    return url


async def _write(database_url: str, result_url: str, *, messages: Sequence[EventMessage]) -> None:
    engine, results = (
        open_engine(database_url, pool_size=2, name="celeriac drill", by_key=True),
        ResultReader(result_url),
    )
    try:
        writer = Writer(engine, results)
        for start in range(0, len(messages), MAX_BATCH):
            await writer.write(messages[start : start + MAX_BATCH])
    finally:
        await results.close()
        await engine.dispose()


def _compared(url: str, other_url: str) -> Iterator[Finding]:
    with psycopg.connect(url) as one, psycopg.connect(other_url) as other:
        for table, question in ROWS.items():
            mine, theirs = one.execute(question).fetchall(), other.execute(question).fetchall()
            differing = sum(row != like for row, like in zip(mine, theirs, strict=False)) + abs(len(mine) - len(theirs))
            yield equal(f"rows of {table} ({len(mine):,}) that differ from those of one mirror", 0, seen=differing)
