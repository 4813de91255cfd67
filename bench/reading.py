"""Reads a second from one API process that has nothing else to do: of one finished task, and of the trends that each
open Overview asks for, made for everybody anew and shared.
"""

import asyncio
from functools import partial
from typing import Annotated

import typer
from uuid_utils import uuid7

from bench.figures import alternate
from bench.ingest import open_writer, store_results
from bench.load import load
from bench.report import Goal, JsonFile, Report, Rounds, present
from bench.stack import Servers, running_api, running_servers
from bench.worker_events import messages_of

GET = "GET /tasks/{id}"
TRENDS = "GET /analytics/trends"
SHARED = "GET /analytics/trends, max-age=1"
HOUR = "hours=1&interval=minutely"
ACCEPTS_AGE = "Cache-Control: max-age=1\r\n"
WARM_UP_SECONDS = 0.5


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each turn.")] = 5.0,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="Keep-alive connections.")] = 32,
    *,
    rounds: Rounds = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure reads of one task, and of trends."""
    present(measure(seconds=seconds, connections=connections, rounds=rounds), json_file)


def measure(*, seconds: float, connections: int, rounds: int) -> Report:
    """Read for so long over so many connections."""
    with running_servers() as servers, running_api(servers) as (api_url, _):
        task_id = asyncio.run(_finish_a_task(servers))
        task, trends = f"{api_url}/api/v1/tasks/{task_id}", f"{api_url}/api/v1/analytics/trends?{HOUR}"
        reads = {
            GET: partial(load, task, None, connections=connections),
            TRENDS: partial(load, trends, None, connections=connections),
            SHARED: partial(load, trends, None, connections=connections, lines=ACCEPTS_AGE),
        }
        for read in reads.values():
            read(seconds=min(seconds, WARM_UP_SECONDS))
        turns = {name: partial(read, seconds=seconds) for name, read in reads.items()}
        measured = alternate(turns, rounds=rounds)
    return Report(
        title=f"Reads: {connections} connections, {rounds} turns of {seconds:g} s",
        unit="requests",
        series=measured,
        goals=[Goal("reads a second in one API process", 1_500, measured[0].rate)],
        notes=["The task has its arguments' text, a result and one attempt; the load generator shares the processors."],
    )


async def _finish_a_task(servers: Servers) -> str:
    task_id = str(uuid7())
    store_results(servers, [task_id])
    async with open_writer(servers) as writer:
        await writer.write(messages_of([task_id]))
    return task_id


if __name__ == "__main__":
    typer.run(main)
