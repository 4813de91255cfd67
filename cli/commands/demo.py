"""`celeriac demo`: fills a running system with a believable shop, so that every page of the dashboard is alive."""

from typing import Annotated

import typer

from cli.demo.patience import PatientClient
from cli.demo.run import keep_open, open_shop, refuse_foreign
from cli.options import DEFAULT_URL, Url, command_at
from cli.terminal import print_text
from domain.server_urls import mask_url

LONGEST_MINUTES = 60


def command(
    minutes: Annotated[
        int, typer.Option(min=0, max=LONGEST_MINUTES, help="Keep a light stream of work going for so long.")
    ] = 0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where workers know tasks of your own, maybe by the same names.")
    ] = False,
    *,
    url: Url = DEFAULT_URL,
) -> None:
    """Open the shop, say where to look, and keep it open if asked."""
    with PatientClient(url, tell=print_text) as client:
        if not anyway:
            refuse_foreign(client)
        open_shop(client, url=url, tell=print_text)
        print_text(f"Look: {mask_url(url).rstrip('/')}/ui/ or {command_at(url, 'top')}")
        if minutes:
            print_text(f"Orders keep coming for {minutes} min; Ctrl-C closes the shop.")
            keep_open(client, minutes=minutes)
