"""`celeriac task ID`: shows a task."""

from typing import Annotated

import typer

from cli.client import Client
from cli.options import DEFAULT_URL, Json, Url
from cli.progress import show_task
from cli.terminal import print_json


def command(
    task_id: Annotated[str, typer.Argument(metavar="ID")], url: Url = DEFAULT_URL, *, as_json: Json = False
) -> None:
    """Print a task."""
    with Client(url) as client:
        task = client.task(task_id)
    print_json(task) if as_json else show_task(task)
