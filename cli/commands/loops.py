"""`celeriac loops`: runs the background loops, until SIGTERM or SIGINT."""

from cli.serving import serve


def command() -> None:
    """Run the loops until SIGTERM or SIGINT."""
    serve("loops.main:run")
