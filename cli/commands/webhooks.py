"""`celeriac webhooks`: makes, lists, changes, tries and deletes webhooks, and looks into what they were sent."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.client import Client
from cli.options import DEFAULT_URL, Json, Url
from cli.terminal import line_of, print_fields, print_json

COLUMNS = ("webhook_id", "url", "events", "enabled", "circuit", "failing_since")
DELIVERY_COLUMNS = ("delivery_id", "type", "subject_id", "status", "attempts", "last_error", "created_at")

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", help="As `list` shows it.")]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="As `deliveries` shows it.")]

command = typer.Typer(no_args_is_help=True)


@command.command("create", help="Make a webhook and print it with its secret, which cannot be shown again.")
def create(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The URL that is told.")],
    event: Annotated[list[str], typer.Option(help="A type, or the beginning of some: `task.*`; may repeat.")],
    *,
    task_name: Annotated[str | None, typer.Option(help="Only of tasks of this name.")] = None,
    queue_name: Annotated[str | None, typer.Option(help="Only of tasks in this queue.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Send arguments and results as well, masked.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Make a webhook that is told what changes from now on."""
    filters = {name: value for name, value in (("task_name", task_name), ("queue_name", queue_name)) if value}
    body = {"url": target, "events": event, "description": description, "filters": filters}
    with Client(url) as client:
        _print(client.ask_webhooks("POST", json=body | {"payload": "full" if full else "thin"}), as_json=as_json)


@command.command("list", help="List webhooks.")
def list_all(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print all webhooks."""
    with Client(url) as client:
        _print_rows(client.ask_webhooks("GET")["data"], COLUMNS, as_json=as_json)


@command.command("show", help="Show a webhook.")
def show(webhook_id: WebhookId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Print a webhook."""
    with Client(url) as client:
        _print(client.ask_webhooks("GET", webhook_id), as_json=as_json)


@command.command("enable", help="Let a disabled webhook be told again.")
def enable(webhook_id: WebhookId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Let a webhook be told what changes from now on."""
    with Client(url) as client:
        _print(client.ask_webhooks("PATCH", webhook_id, json={"enabled": True}), as_json=as_json)


@command.command("disable", help="Let a webhook be told nothing, until it is enabled.")
def disable(webhook_id: WebhookId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Let a webhook be told nothing for a while."""
    with Client(url) as client:
        _print(client.ask_webhooks("PATCH", webhook_id, json={"enabled": False}), as_json=as_json)


@command.command("rotate", help="Give a webhook another secret and print it; the old one signs for a day as well.")
def rotate(webhook_id: WebhookId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Give a webhook another secret."""
    with Client(url) as client:
        _print(client.ask_webhooks("POST", webhook_id, "rotate_secret", json={}), as_json=as_json)


@command.command("test", help="Send a test event and print what came of it.")
def send_test(webhook_id: WebhookId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Let the loops send an event `webhook.test`; exit code 1 unless it was taken."""
    with Client(url) as client:
        tried = client.ask_webhooks("POST", webhook_id, "test")
    _print(tried, as_json=as_json)
    if tried["status"] != "DELIVERED":
        raise typer.Exit(1)


@command.command("delete", help="Delete a webhook.")
def delete(webhook_id: WebhookId, url: Url = DEFAULT_URL) -> None:
    """Delete a webhook."""
    with Client(url) as client:
        client.ask_webhooks("DELETE", webhook_id)
    print(f"deleted {webhook_id}")


@command.command("deliveries", help="List what was sent and is to be sent, the newest first.")
def deliveries(
    webhook_id: WebhookId,
    url: Url = DEFAULT_URL,
    *,
    status: Annotated[str | None, typer.Option(help="PENDING, SENDING, DELIVERED, FAILED or DROPPED.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """Print the deliveries of a webhook."""
    wanted = {"limit": limit} | ({"status": status} if status else {})
    with Client(url) as client:
        rows = client.ask_webhooks("GET", webhook_id, "deliveries", params=wanted)["data"]
    _print_rows(rows, DELIVERY_COLUMNS, as_json=as_json)


@command.command("retry", help="Send a delivery once more.")
def retry(webhook_id: WebhookId, delivery_id: DeliveryId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Let a delivery be sent once more, whatever became of it."""
    with Client(url) as client:
        _print(client.ask_webhooks("POST", webhook_id, "deliveries", delivery_id, "retry"), as_json=as_json)


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    print_json(answer) if as_json else print_fields(answer)


def _print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    table = Table(*(name.replace("_", " ") for name in columns), box=None)
    for row in rows:
        table.add_row(*(line_of("-" if row[name] is None else row[name]) for name in columns))
    Console(soft_wrap=True).print(table)
