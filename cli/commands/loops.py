"""`celeriac loops`: runs the background loops, until SIGTERM or SIGINT."""

from cli.serving import serve


def command() -> None:
    serve("loops.main:run")
