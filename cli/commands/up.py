"""`celeriac up`: its options; what they start is in `cli/up.py`."""

import asyncio
import sys
from typing import Annotated

import typer

from cli.configuration import described, read_settings, unknown_variables
from cli.up import run_up


def command(
    host: Annotated[str | None, typer.Option(help=described("host"))] = None,
    port: Annotated[int | None, typer.Option(help=described("port"))] = None,
    flower_port: Annotated[int | None, typer.Option(help=described("flower_port"))] = None,
    data: Annotated[str | None, typer.Option(help=described("data"))] = None,
    workers: Annotated[int | None, typer.Option(help=described("workers"))] = None,
    concurrency: Annotated[int | None, typer.Option(help=described("concurrency"))] = None,
    pool: Annotated[str | None, typer.Option(help=described("pool"))] = None,
    queues: Annotated[str | None, typer.Option(help=described("queues"))] = None,
) -> None:
    settings = read_settings(
        host=host,
        port=port,
        flower_port=flower_port,
        data=data,
        workers=workers,
        concurrency=concurrency,
        pool=pool,
        queues=queues,
    )
    for name, meant in unknown_variables().items():
        print(f"celeriac: nothing reads {name}" + (f"; did you mean {meant}?" if meant else "."), file=sys.stderr)
    asyncio.run(run_up(settings))
