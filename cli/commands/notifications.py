"""`celeriac notifications`: lists, makes, tests and removes channels, leads alerts to them, and shows what was sent.

The URL of a channel is asked for, or read from stdin: an option would show it to `ps` and to the shell's history.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.client import Client
from cli.client import Json as Answer
from cli.errors import CliError
from cli.options import DEFAULT_URL, Json, Url
from cli.terminal import line_of, print_fields, print_json

CHANNELS = ("name", "url", "enabled", "failing_since", "last_outcome", "last_delivered_at")
ROUTES = ("name", "channels", "severities", "alert_types", "subjects", "group_seconds", "repeat_seconds", "enabled")
MESSAGES = ("created_at", "channel", "status", "attempts", "last_outcome", "title")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the channel.")]
RouteName = Annotated[str, typer.Argument(metavar="NAME", help="Of the route.")]

command = typer.Typer(no_args_is_help=True)


@command.command("channels", help="List channels, without what is secret in their URLs.")
def list_channels(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print all channels."""
    with Client(url) as client:
        _print_rows(client.notification_rows("channels"), CHANNELS, as_json=as_json)


@command.command("add", help="Make a channel of a URL of Apprise, which is asked for or read from stdin.")
def add(name: Name, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Make a channel and print it."""
    secret = typer.prompt("URL", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    with Client(url) as client:
        _print(client.add_notification("channels", {"name": name, "url": secret}), as_json=as_json)


@command.command("test", help="Send a message that nothing is wrong; exit code 1 unless it is delivered.")
def try_channel(name: Name, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Test a channel and print what happened."""
    with Client(url) as client:
        answer = client.test_channel(_id_of(client.notification_rows("channels"), name, kind="channel"))
    _print(answer, as_json=as_json)
    if not answer["delivered"]:
        raise typer.Exit(1)


@command.command("remove", help="Delete a channel, also from every route.")
def remove(name: Name, url: Url = DEFAULT_URL) -> None:
    """Delete a channel."""
    with Client(url) as client:
        client.remove_notification("channels", _id_of(client.notification_rows("channels"), name, kind="channel"))


@command.command("routes", help="List routes, in the order in which they are asked.")
def list_routes(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print all routes."""
    with Client(url) as client:
        rows, names = client.notification_rows("routes"), _names(client)
    shown = [row | {"channels": [names.get(each, each) for each in row["channel_ids"]]} for row in rows]
    _print_rows(shown, ROUTES, as_json=as_json)


@command.command("route", help="Make a route that leads alerts to channels; without conditions it takes all.")
def route(
    name: RouteName,
    to: Annotated[list[str], typer.Option(help="Name of a channel; may repeat.")],
    *,
    severity: Annotated[list[str] | None, typer.Option(help="INFO, WARNING or CRITICAL; may repeat.")] = None,
    type: Annotated[list[str] | None, typer.Option(help="A type of alerts; may repeat.")] = None,
    subject: Annotated[
        list[str] | None, typer.Option(help="A queue, task name or worker, or etl.*; may repeat.")
    ] = None,
    group: Annotated[int, typer.Option(help="Seconds that an alert waits for others.")] = 30,
    repeat: Annotated[
        int, typer.Option(help="Seconds after which it is told again while it stays; 0: never.")
    ] = 14_400,
    resolved: Annotated[bool, typer.Option(help="Also tell that an alert is over.")] = True,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Make a route and print it."""
    with Client(url) as client:
        channels = client.notification_rows("channels")
        body: Answer = {
            "name": name,
            "channel_ids": [_id_of(channels, each, kind="channel") for each in to],
            "severities": severity or [],
            "alert_types": type or [],
            "subjects": subject or [],
            "group_seconds": group,
            "repeat_seconds": repeat or None,
            "send_resolved": resolved,
        }
        _print(client.add_notification("routes", body), as_json=as_json)


@command.command("unroute", help="Delete a route.")
def unroute(name: RouteName, url: Url = DEFAULT_URL) -> None:
    """Delete a route."""
    with Client(url) as client:
        client.remove_notification("routes", _id_of(client.notification_rows("routes"), name, kind="route"))


@command.command("messages", help="List what was sent, waits or was given up, the newest first.")
def list_messages(
    limit: Annotated[int, typer.Option(help="How many.")] = 50, *, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """Print the newest messages."""
    with Client(url) as client:
        rows, names = client.notification_rows("messages", limit=limit), _names(client)
    shown = [row | {"channel": names.get(row["channel_id"], row["channel_id"])} for row in rows]
    _print_rows(shown, MESSAGES, as_json=as_json)


def _names(client: Client) -> dict[str, str]:
    return {channel["channel_id"]: channel["name"] for channel in client.notification_rows("channels")}


def _id_of(rows: list[Answer], name: str, *, kind: str) -> str:
    found = next((row[f"{kind}_id"] for row in rows if row["name"] == name), None)
    if found is None:
        raise CliError(f"There is no {kind} {name}.")
    return str(found)


def _print(answer: Answer, *, as_json: bool) -> None:
    print_json(answer) if as_json else print_fields(answer)


def _print_rows(rows: list[Answer], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    table = Table(*(name.replace("_", " ") for name in columns), box=None)
    for row in rows:
        table.add_row(*(line_of(row[name]) for name in columns))
    Console(soft_wrap=True).print(table)
