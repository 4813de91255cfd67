"""What `up -A` and `doctor -A` show of an app and its fleet, in as few lines as it takes."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from cli.beside.advice import Advice
from cli.beside.app import AppFacts
from cli.beside.values import Beside
from cli.terminal import line_of
from domain.promises import PROMISES, FleetWorker, Holds, by_queue, extent_of
from domain.sentences import some_of
from domain.server_urls import mask_url

STYLES = {Holds.YES: "green", Holds.PARTLY: "yellow", Holds.UNKNOWN: "dim", Holds.NO: "red"}
MOST_ROWS = 20
EVENTS = {True: ("on", "green"), False: ("off", "red"), None: ("?", "dim")}


def show_app(name: str, facts: AppFacts, *, interpreter: str, beside: Beside) -> None:
    """Print what was read of the app."""
    settings = beside.settings
    rows = [
        ("app", f"{name}, Celery {facts.celery} on Python {facts.python}"),
        ("", interpreter),
        ("broker", mask_url(settings.broker_url or "")),
        ("", _options_of(settings.broker_transport_options)),
        ("results", beside.results),
        ("queue", f"{settings.default_queue}, where a submission names none"),
        ("database", mask_url(settings.database_url) if settings.database_url else f"PostgreSQL in {settings.data}"),
        *(("note", note) for note in beside.notes),
    ]
    table = Table(
        Column(style="bold", no_wrap=True), Column(overflow="fold"), show_header=False, box=None, pad_edge=False
    )
    for label, value in rows:
        if value:
            style = "yellow" if label == "note" else "" if label else "dim"
            table.add_row(label, line_of(value, style=style))
    _print(table)


def show_fleet(consumers: Sequence[FleetWorker], advice: Advice | None) -> None:
    """Print who is there, what holds for which queue, and what would make more of it hold."""
    if consumers:
        _print(_workers(consumers))
    if any(consumer.queues for consumer in consumers):
        _print(_promises(consumers))
    if advice:
        _print(_advice(advice))


def _workers(consumers: Sequence[FleetWorker]) -> Table:
    table = Table("worker", Column("queues", overflow="fold"), "events", "plugin", box=None, pad_edge=False)
    for each in consumers[:MOST_ROWS]:
        queues = line_of(some_of(each.queues, most=MOST_ROWS)) if each.answers else Text("no answer yet", style="red")
        plugin = line_of(each.plugin, style="green") if each.plugin else Text("none", style="dim")
        table.add_row(line_of(each.node), queues, Text(*EVENTS[each.events]), plugin)
    _add_rest(table, len(consumers))
    return table


def _promises(consumers: Sequence[FleetWorker]) -> Table:
    """A row for all queues of which the same holds: an app with twenty of them has one or two."""
    alike: dict[tuple[Holds, ...], list[str]] = {}
    for queue, workers in by_queue(consumers).items():
        alike.setdefault(tuple(extent_of(promise, workers) for promise in PROMISES), []).append(queue)
    table = Table(Column("queue", overflow="fold"), *(promise.word for promise in PROMISES), box=None, pad_edge=False)
    for marks, queues in alike.items():
        table.add_row(line_of(some_of(queues, most=MOST_ROWS)), *(Text(mark, style=STYLES[mark]) for mark in marks))
    return table


def _add_rest(table: Table, count: int) -> None:
    if count > MOST_ROWS:
        table.add_row(Text(f"and {count - MOST_ROWS} more", style="dim"))


def _advice(advice: Advice) -> Table:
    table = Table.grid()
    table.add_row(line_of(advice.reason))
    for line in (advice.before, advice.line):
        if line:
            table.add_row(line_of(f"  {line}", style="bold cyan"))
    return table


def _options_of(options: dict[str, Any]) -> str:
    """Return those options that decide where messages lie."""
    names = ("global_keyprefix", "sep", "priority_steps", "master_name")
    return ", ".join(f"{name} {options[name]!r}" for name in names if name in options)


def _print(table: Table) -> None:
    Console().print(Padding(table, (1, 0, 0, 2), expand=False))
