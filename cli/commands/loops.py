"""`celeriac loops`: runs the background loops, until SIGTERM or SIGINT."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.serving import serve


class Only(StrEnum):
    """Loops that can run without the others."""

    WEBHOOKS = "webhooks"


def command(
    only: Annotated[
        Only | None, typer.Option(help="Run these alone, e.g. in a network of their own; others run them too.")
    ] = None,
) -> None:
    """Run the loops until SIGTERM or SIGINT."""
    serve("loops.main:run_webhooks" if only is Only.WEBHOOKS else "loops.main:run")
