"""What `celeriac up` shows on a terminal: a short table of what runs and where, drawn anew once a second.

What the children print is in their logs then. Where stderr is no terminal nothing of this is shown.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

import background
from cli.addresses import Addresses
from cli.options import DEFAULT_URL, command_at
from cli.supervisor import ChildState, Supervisor
from cli.terminal import line_of
from domain.sentences import plural
from settings import Settings

ROUND_SECONDS = 1.0
DOES = {
    "migrate": "brings the database to the newest schema",
    "mirror": "writes what workers tell to PostgreSQL",
    "loops": "hands tasks to the broker, mends and cleans up",
}
STYLES = {"runs": "green", "drained": "yellow", "down": "red", "elsewhere": "dim"}


@dataclass(slots=True)
class Board:
    """What the table is made of: how far the start has come, and where things are once that is known."""

    settings: Settings
    head: str = "starting"
    addresses: Addresses | None = None

    def draw(self, states: Sequence[ChildState]) -> Group:
        """Return the table as it is to be shown now."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(2):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, state, where in [*self._elsewhere(), *(self._row(each) for each in states)]:
            table.add_row(line_of(name, style="bold"), line_of(state, style=STYLES[state]), line_of(where))
        return Group(Text(), self._title(), Text(), table, Text(), *self._hints())

    def _title(self) -> Text:
        title = Text.assemble(("Celeriac ", "bold"), (self.head, "green" if self.head == "ready" else "yellow"))
        if self.head == "ready" and self.addresses:
            title.append(f"  {self.addresses.api_url}/ui/", style="bold underline")
        return title

    def _row(self, state: ChildState) -> tuple[str, str, str]:
        where = self._where(state.name)
        if state.deaths:
            times = "once, with" if state.deaths == 1 else f"{state.deaths} times, last with"
            where = f"{where}; ended {times} {state.last_exit}"
        return state.name, state.word, where

    def _where(self, name: str) -> str:
        addresses = self.addresses
        if name.startswith("worker-"):
            queues = ",".join(self.settings.queues) or self.settings.default_queue
            return f"{plural(self.settings.concurrency, 'task')} at once, queue {queues}"
        places = {
            "postgres": addresses and _place(addresses.database_url),
            "valkey": addresses and _place(addresses.redis_url),
            "api": addresses and f"{addresses.api_url}/docs",
            "flower": addresses and addresses.flower_url and f"http://{_place(addresses.flower_url)}",
        }
        return places.get(name) or DOES.get(name, "")

    def _elsewhere(self) -> list[tuple[str, str, str]]:
        """Servers of somebody's own, which are not ours to start."""
        given = (("database", self.settings.database_url), ("broker", self.settings.broker_url))
        return [(name, "elsewhere", _place(url)) for name, url in given if url]

    def _hints(self) -> list[Text]:
        hints = [f"What each prints is in {self.settings.data}/logs. Ctrl-C stops all of it."]
        if self.head == "ready":
            url = self.addresses.api_url if self.addresses else DEFAULT_URL
            hints.append(f"{command_at(url, 'demo')} fills it with a shop to look at.")
            hints.append(f"{command_at(url, 'top')} shows it in a terminal.")
        return [Text(hint, style="dim") for hint in hints]


def is_terminal() -> bool:
    """Tell whether a table can be drawn on stderr."""
    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal


@asynccontextmanager
async def shown(board: Board, supervisor: Supervisor) -> AsyncIterator[None]:
    """Draw the table until the end; lines that are printed meanwhile stand above it."""
    with Live(
        console=Console(stderr=True), auto_refresh=False, redirect_stdout=sys.stdout.isatty(), transient=True
    ) as live:
        drawing = background.start(_follow(board, supervisor, live=live), name="board")
        try:
            yield
        finally:
            await background.end(drawing)


async def _follow(board: Board, supervisor: Supervisor, *, live: Live) -> None:
    """A terminal that is gone is no reason to end: nothing is drawn on it any more."""
    while True:
        with suppress(OSError):
            live.update(board.draw(supervisor.states()), refresh=True)
        await asyncio.sleep(ROUND_SECONDS)


def _place(url: str) -> str:
    """Return where it is, without who we are there: a host and its port, or the file of a socket."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path or parts.scheme
