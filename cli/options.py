"""Options that several commands share."""

import shlex
from typing import Annotated

import typer

from domain.server_urls import mask_url

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
Data = Annotated[
    str | None, typer.Option(help="Folder of a running `celeriac up`, whose servers stand in for unset URLs.")
]
Reason = Annotated[str | None, typer.Option(help="Why this is done, for the audit.")]
App = Annotated[
    str | None, typer.Option("-A", "--app", help="Your Celery app, as `celery -A` takes it, or module:factory.")
]
Python = Annotated[
    str | None, typer.Option(help="With -A: the app's interpreter. Default: that of the active virtual environment.")
]
Url = Annotated[str, typer.Option(envvar="CELERIAC_URL", help="Where the REST API is.")]
DEFAULT_URL = "http://127.0.0.1:8000"


def command_at(url: str, *words: str) -> str:
    """Return a command to be typed, with the option that says where the API is; the URL without a password in it."""
    option = () if url.rstrip("/") == DEFAULT_URL else ("--url", mask_url(url))
    return f"`{shlex.join(('celeriac', *words, *option))}`"
