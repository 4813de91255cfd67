"""`celeriac events`: lists what has changed, and follows what changes."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli.client import Client, Json, NotReachable
from cli.options import DEFAULT_URL, Url
from cli.options import Json as AsJson
from cli.terminal import line_of, print_error, print_json, print_text
from domain.feed import MAX_PLACE

POLL_SECONDS = 1.0
PAGE = 1_000
MOST_CHANGES = 100_000

Types = Annotated[list[str], typer.Option("--type", help="A type, or the beginning of some: `task.*`; may repeat.")]
Filter = Annotated[str | None, typer.Option(help="Only changes of tasks that have it.")]


def command(
    type_: Types = [],  # noqa: B006  typer copies it
    *,
    task_name: Filter = None,
    queue_name: Filter = None,
    after: Annotated[str | None, typer.Option(help="The cursor behind which to go on; `now`.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on for ever; without --after from now on.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST_CHANGES, help="Without --follow: changes at most.")] = 50,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print changes, the oldest first; with --json, one object a line."""
    if after is not None and len(after) > MAX_PLACE:
        raise typer.BadParameter("is no cursor of the feed", param_hint="--after")
    filters = {"types": type_, "task_name": task_name, "queue_name": queue_name}
    wanted = {name: value for name, value in filters.items() if value}
    with Client(url) as client:
        cursor = after or ("now" if follow else None)
        for page in (
            _followed(client, wanted, cursor=cursor) if follow else _listed(client, wanted, cursor=cursor, limit=limit)
        ):
            _print(page, as_json=as_json)


def _listed(client: Client, wanted: Json, *, cursor: str | None, limit: int) -> Iterator[Json]:
    """Pages until there are so many changes, or no more."""
    left, has_more = limit, True
    while left and has_more:
        page = client.events(wanted, after=cursor, limit=min(left, PAGE))
        yield page
        left -= len(page["data"])
        cursor, has_more = page["next_cursor"], page["has_more"]


def _followed(client: Client, wanted: Json, *, cursor: str | None) -> Iterator[Json]:
    """Pages for ever, each behind the one before; an API that is restarted is waited for."""
    is_away = False
    while True:
        try:
            page = client.events(wanted, after=cursor, limit=PAGE)
        except NotReachable as error:
            if cursor in (None, "now"):
                raise
            if not is_away:
                print_error(str(error))
            is_away = True
            time.sleep(POLL_SECONDS)
            continue
        is_away = False
        yield page
        cursor = page["next_cursor"]
        if not page["has_more"]:
            time.sleep(POLL_SECONDS)


def _print(page: Json, *, as_json: bool) -> None:
    if page["gap"]:
        print_error(f"Changes up to {page['gap']['to']} are no longer kept.")
    if page["reset"]:
        print_error("The cursor is of another database; the list begins with the oldest change.")
    for event in page["data"]:
        print_json(event) if as_json else print_text(_line(event))
    sys.stdout.flush()


def _line(event: dict[str, Any]) -> str:
    data = dict(event["data"])
    rest = " ".join(f"{name}={line_of(value).plain}" for name, value in data.items() if value is not None)
    return f"{event['timestamp']} {event['type']} {rest}"
