"""`celeriac loops`: runs the background loops, until SIGTERM or SIGINT."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.errors import CliError
from cli.serving import serve


class Apart(StrEnum):
    """Loops that can run apart from the others."""

    WEBHOOKS = "webhooks"


def command(
    only: Annotated[Apart | None, typer.Option(help="Run these alone, e.g. in a network of their own.")] = None,
    without: Annotated[Apart | None, typer.Option(help="Run all others: these run elsewhere.")] = None,
) -> None:
    """Run the loops until SIGTERM or SIGINT."""
    if only and without:
        raise CliError("--only and --without say the same of different loops; give one of them.")
    serve("loops.main:run_webhooks" if only else "loops.main:run_others" if without else "loops.main:run")
