"""`celeriac submit NAME`: submits a task over REST and, if asked, follows it to its end."""

import json
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.errors import CliError
from cli.options import DEFAULT_URL, Json, Url
from cli.progress import follow, show_task
from cli.terminal import print_json


def command(
    name: Annotated[str, typer.Argument(help="Name of the task, e.g. celeriac.add.")],
    args: Annotated[str, typer.Option(help="Positional arguments, a JSON array.")] = "[]",
    *,
    kwargs: Annotated[str, typer.Option(help="Keyword arguments, a JSON object.")] = "{}",
    queue: Annotated[str | None, typer.Option(help="Queue; default: the configured default queue.")] = None,
    priority: Annotated[int | None, typer.Option(help="1 to 10, 10 is most urgent.")] = None,
    max_retries: Annotated[int | None, typer.Option(help="Ceiling on retries that the task asks for.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Hard limit in seconds.")] = None,
    at: Annotated[str | None, typer.Option(help="When to run, RFC 3339: 2026-01-24T10:30:00Z.")] = None,
    wait: Annotated[bool, typer.Option(help="Follow it to its end; exit code 1 unless it completed.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Submit a task and, if asked, follow it to its end."""
    optional = {
        "queue_name": queue,
        "priority": priority,
        "max_retries": max_retries,
        "timeout_seconds": timeout,
        "scheduled_at": at,
    }
    body = {
        "task_name": name,
        "task_args": _parsed(args, "--args", kind=list),
        "task_kwargs": _parsed(kwargs, "--kwargs", kind=dict),
        **{field: value for field, value in optional.items() if value is not None},
    }
    with Client(url) as client:
        task = client.submit(body)
        if wait:
            task = follow(client, task["task_id"], quiet=as_json)
    print_json(task) if as_json else show_task(task)
    if wait and task["status"] != "COMPLETED":
        raise typer.Exit(1)


def _parsed(text: str, option: str, *, kind: type[list[Any]] | type[dict[str, Any]]) -> object:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CliError(f"{option} is not JSON: {error}.") from error
    except RecursionError as error:
        raise CliError(f"{option} is nested too deeply.") from error
    if not isinstance(value, kind):
        raise CliError(f"{option} must be a JSON {'array' if kind is list else 'object'}.")
    return value
