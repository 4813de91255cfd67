"""`celeriac workers`: lists workers, and pauses, resumes, drains or resizes one by its hostname or id."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.client import Client
from cli.options import DEFAULT_URL, Json, Url
from cli.terminal import line_of, print_fields, print_json

COLUMNS = ("hostname", "status", "current_tasks", "capacity", "pool", "queues", "plugin", "converged")
POLL_SECONDS = 1.0

Name = Annotated[str, typer.Argument(metavar="WORKER", help="Its hostname or id.")]

command = typer.Typer(no_args_is_help=True)


@command.command("list", help="List workers.")
def list_workers(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print all workers."""
    with Client(url) as client:
        workers = client.workers()
    if as_json:
        print_json(workers)
        return
    table = Table(*(name.replace("_", " ") for name in COLUMNS), box=None)
    for worker in workers:
        table.add_row(*(line_of(worker[name]) for name in COLUMNS))
    Console(soft_wrap=True).print(table)


@command.command("show", help="Show a worker: what is wanted of it and what it says of itself.")
def show(worker: Name, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Print a worker."""
    with Client(url) as client:
        _print(client.worker(worker), as_json=as_json)


@command.command("pause", help="Let a worker start no new task, until it is resumed.")
def pause(worker: Name, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Pause a worker and print what became of it."""
    with Client(url) as client:
        _print(client.order(worker, "pause"), as_json=as_json)


@command.command("resume", help="Let a paused, draining or drained worker work again.")
def resume(worker: Name, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Resume a worker and print what became of it."""
    with Client(url) as client:
        _print(client.order(worker, "resume"), as_json=as_json)


@command.command("drain", help="Let a worker finish what it runs and exit.")
def drain(
    worker: Name,
    deadline: Annotated[int | None, typer.Option(help="Seconds after which the drain counts as overdue.")] = None,
    *,
    wait: Annotated[bool, typer.Option(help="Wait until it is gone; exit code 1 if it is overdue.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Drain a worker and, if asked, wait until it is gone."""
    with Client(url) as client:
        answer = client.drain(worker, deadline)
        if wait:
            answer = _wait(client, worker)
    _print(answer, as_json=as_json)
    if answer.get("state") == "overdue":
        raise typer.Exit(1)


@command.command("capacity", help="Set how many tasks a worker runs at once.")
def capacity(worker: Name, tasks: int, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Resize a worker and print what became of it."""
    with Client(url) as client:
        _print(client.resize(worker, tasks), as_json=as_json)


def _wait(client: Client, worker: str) -> dict[str, Any]:
    """The drain once it is over or overdue."""
    while True:
        progress = client.drain_progress(worker)
        if progress["state"] != "draining":
            return progress
        time.sleep(POLL_SECONDS)


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    print_json(answer) if as_json else print_fields(answer)
