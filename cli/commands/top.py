"""`celeriac top`: how it is, live, on a terminal; once, where there is none to draw on."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cli.client import Client, NotReachable
from cli.errors import CliError
from cli.options import DEFAULT_URL, Url
from cli.top.reading import Reader
from cli.top.screen import Size, draw, time_of
from cli.top.situation import Situation
from cli.top.verdict import verdict_of
from domain.server_urls import mask_url

AWAY = "Celeriac does not answer. What you see is from before; it is tried again by itself."
LEAVE = (b"q", b"Q", b"\x1b", b"\x04", b"")
"""Keys that end it; nothing is read once the terminal is gone."""
MOST_KEYS = 64

Wait = Callable[[float], bool]


def command(
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    every: Annotated[float, typer.Option(min=1.0, max=60.0, help="Seconds from one look to the next.")] = 2.0,
    *,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the screen until q or Ctrl-C, or once; the exit code is 1 where it is not told how it is."""
    console = Console()
    with Client(url) as client:
        reader = Reader(client)
        if once or not console.is_terminal or console.is_dumb_terminal:
            it = reader.read()
            console.print(draw(it, Size(console.width), footer=reader.refused))
            if verdict_of(it).tone == "unknown":
                raise typer.Exit(1)
            return
        place = f"{mask_url(url).rstrip('/')}/ui/"
        try:
            with _keys() as wait:
                _follow(reader, console, wait=wait, every=every, place=place)
        except KeyboardInterrupt:
            return


def _follow(reader: Reader, console: Console, *, wait: Wait, every: float, place: str) -> None:
    it = reader.read()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        note = reader.refused
        while True:
            footer = note or f"q quits · {time_of(it.now)} · {place}"
            live.update(draw(it, Size(console.width, console.height), footer=footer), refresh=True)
            if wait(every):
                return
            try:
                it = reader.read()
                note = reader.refused
            except NotReachable:
                note = AWAY
            except CliError as error:
                it, note = Situation(now=time.time(), refused=str(error)), ""


@contextmanager
def _keys() -> Iterator[Wait]:
    """A wait of so many seconds that tells whether a key has asked to leave; where no keys come, it only waits."""
    if not sys.stdin.isatty():
        yield _wait_blindly
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _is_left
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _is_left(seconds: float) -> bool:
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0] and os.read(sys.stdin.fileno(), MOST_KEYS) in LEAVE:
            return True
    return False


def _wait_blindly(seconds: float) -> bool:
    time.sleep(seconds)
    return False
