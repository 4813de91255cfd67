"""Events a second that one mirror takes in, next to COPY of as many rows into a table with the same key.

The mirror's `Writer` is fed in batches of its own size: it decodes, fetches the true results from Valkey, merges and
commits events, tasks, attempts and results. COPY gets the same events as rows, made beforehand, in one commit.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, TypeVar

import psycopg
import redis
import typer
from uuid_utils import uuid7

from bench.figures import Turn, alternate
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import Servers, running_servers
from bench.worker_events import EVENTS_PER_TASK, messages_of, result_meta
from cli.garbage import look_for_garbage_seldom
from gateway.events.sources import EventMessage
from gateway.results.reader import META_PREFIX, ResultReader
from mirror.decode import decode
from mirror.main import MAX_BATCH
from mirror.writer import Writer
from store.engine import open_engine

OURS, COPY = "mirror", "COPY"
COPIED = ("task_id", "occurred_at", "event_key", "event_type", "node", "pid", "clock", "retries", "details")
Row = tuple[object, ...]
Item = TypeVar("Item")


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in each turn, of four events each.")] = 20_000,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Measure the mirror's intake."""
    present(measure(tasks=tasks, rounds=rounds), json_file)


def measure(*, tasks: int, rounds: int) -> Report:
    """Let the writer and COPY take the same events in turn."""
    with running_servers() as servers:
        for take_turn in (_mirror, _copy):
            take_turn(servers, min(tasks, MAX_BATCH))  # warm-up
        turns = {OURS: partial(_mirror, servers, tasks), COPY: partial(_copy, servers, tasks)}
        measured = alternate(turns, rounds=rounds)
    return Report(
        title=f"Intake of {tasks * EVENTS_PER_TASK:,} events of {tasks:,} tasks, {rounds} alternating turns",
        unit="events",
        series=measured,
        baselines=(COPY,),
        goals=[Goal("events a second in one mirror process", 20_000, measured[0].rate)],
        notes=[f"{OURS}: batches of {MAX_BATCH} messages, tasks sent by another publisher, one commit a batch."],
    )


def _mirror(servers: Servers, count: int) -> Turn:
    ids = [str(uuid7()) for _ in range(count)]
    messages = messages_of(ids)
    store_results(servers, ids)
    seconds = asyncio.run(_write(servers, messages))
    _empty(servers)
    return Turn(count * EVENTS_PER_TASK, seconds)


async def _write(servers: Servers, messages: Sequence[EventMessage]) -> float:
    async with open_writer(servers) as writer:
        await writer.write([])  # connections are open before the clock runs
        begun = time.perf_counter()
        for batch in _portions(messages, MAX_BATCH):
            await writer.write(batch)
        return time.perf_counter() - begun


@asynccontextmanager
async def open_writer(servers: Servers) -> AsyncIterator[Writer]:
    """Open a writer as the mirror has it."""
    look_for_garbage_seldom()
    engine = open_engine(servers.database_url, pool_size=2, name="celeriac bench", by_key=True)
    results = ResultReader(servers.result_url)
    try:
        yield Writer(engine, results)
    finally:
        await results.close()
        await engine.dispose()


def _copy(servers: Servers, count: int) -> Turn:
    rows = _rows([str(uuid7()) for _ in range(count)])
    columns = ", ".join(COPIED)
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("create table copied (like events including defaults)")
        connection.execute("alter table copied add primary key (task_id, occurred_at, event_key)")
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy(f"copy copied ({columns}) from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
        turn = Turn(len(rows), time.perf_counter() - begun)
        connection.execute("drop table copied")
    return turn


def _rows(ids: Sequence[str]) -> list[Row]:
    facts = decode(messages_of(ids)).facts
    return [
        (f.task_id, f.at, f.key, f.type.value, f.node, f.pid, f.clock, f.retries, json.dumps(dict(f.details)))
        for f in facts
    ]


def store_results(servers: Servers, ids: Sequence[str]) -> None:
    """Store results as workers do when tasks succeed."""
    with redis.Redis.from_url(servers.result_url) as client:
        for portion in _portions(ids, 1_000):
            client.mset({f"{META_PREFIX}{task_id}": result_meta(task_id) for task_id in portion})


def _empty(servers: Servers) -> None:
    """Every turn finds the same: no tasks and no results."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("truncate tasks, task_arguments, task_results, attempts, events")
    with redis.Redis.from_url(servers.result_url) as client:
        client.flushdb()


def _portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


if __name__ == "__main__":
    typer.run(main)
