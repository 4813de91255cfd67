"""`celeriac up`: its options; what they start is in `cli/up.py`."""

import asyncio
from pkgutil import resolve_name
from typing import Annotated

import typer

from cli.configuration import described, read_settings, tell_unknown_variables
from cli.errors import CliError
from cli.options import App, Python
from cli.up import run_up

BESIDE = "cli.beside.run:run_beside"


def command(
    host: Annotated[str | None, typer.Option(help=described("host"))] = None,
    port: Annotated[int | None, typer.Option(help=described("port"))] = None,
    *,
    flower_port: Annotated[int | None, typer.Option(help=described("flower_port"))] = None,
    data: Annotated[str | None, typer.Option(help=described("data"))] = None,
    workers: Annotated[int | None, typer.Option(help=described("workers"))] = None,
    concurrency: Annotated[int | None, typer.Option(help=described("concurrency"))] = None,
    pool: Annotated[str | None, typer.Option(help=described("pool"))] = None,
    queues: Annotated[str | None, typer.Option(help=described("queues"))] = None,
    app: App = None,
    python: Python = None,
    worker: Annotated[bool, typer.Option("--worker", help="With -A: start a worker of the app, too.")] = False,
) -> None:
    """Start the system with these options, alone or beside an app."""
    options = {
        "host": host,
        "port": port,
        "flower_port": flower_port,
        "data": data,
        "workers": workers,
        "concurrency": concurrency,
        "pool": pool,
        "queues": queues,
    }
    if app is not None:
        # Its imports take as long as all others; who starts the system alone needs none of them.
        resolve_name(BESIDE)(app, python=python, worker=worker, **options)
        return
    if python or worker:
        raise CliError("--python and --worker are about the app that -A names.")
    settings = read_settings(**options)
    tell_unknown_variables()
    asyncio.run(run_up(settings))
