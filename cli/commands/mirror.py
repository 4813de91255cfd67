"""`celeriac mirror`: writes what Celery tells about itself to Postgres, until SIGTERM or SIGINT."""

from cli.serving import serve


def command() -> None:
    """Run the mirror until SIGTERM or SIGINT."""
    serve("mirror.main:run")
