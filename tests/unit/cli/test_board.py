"""The table that `celeriac up` shows on a terminal: what is in it, and that it is drawn and does no harm."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import board
from cli.addresses import Addresses
from cli.board import Board, shown
from cli.supervisor import ChildState, Supervisor
from settings import Settings
from tests.patience import until

ADDRESSES = Addresses(
    api_url="http://127.0.0.1:8000",
    database_url="postgresql://us:secret@127.0.0.1:5433/celeriac",
    broker_url="redis://:secret@127.0.0.1:6380/0",
    result_url="redis://:secret@127.0.0.1:6380/1",
    redis_url="redis://:secret@127.0.0.1:6380/2",
    flower_url="http://celeriac:secret@127.0.0.1:5555",
)
NAMES = ("postgres", "valkey", "mirror", "api", "loops", "worker-1", "flower")
CHILDREN = [ChildState(name, "runs", 0, "") for name in NAMES]


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data=tmp_path, concurrency=3, queues=("a", "b"), **more)


def text_of(drawn: Board, states: Sequence[ChildState] = CHILDREN, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(drawn.draw(states))
    return console.export_text()


def test_it_tells_what_runs_where_and_no_password(tmp_path: Path) -> None:
    text = text_of(Board(settings(tmp_path), head="ready", addresses=ADDRESSES))
    assert "Celeriac ready  http://127.0.0.1:8000/ui/" in text
    rows = {line.split()[0]: line.rstrip().split(None, 2)[1:] for line in text.splitlines() if "  runs  " in line}
    assert rows["postgres"] == ["runs", "127.0.0.1:5433"]
    assert rows["valkey"] == ["runs", "127.0.0.1:6380"]
    assert rows["flower"] == ["runs", "http://127.0.0.1:5555"]
    assert rows["worker-1"] == ["runs", "3 tasks at once, queue a,b"]
    assert set(rows) == set(NAMES)
    assert "`celeriac demo` fills" in text
    assert "secret" not in text


def test_before_anything_is_known_it_tells_that_it_starts(tmp_path: Path) -> None:
    text = text_of(Board(settings(tmp_path)), CHILDREN[:1])
    assert "Celeriac starting" in text
    assert "/ui/" not in text


def test_servers_of_others_ends_and_other_ports_are_told(tmp_path: Path) -> None:
    given = settings(tmp_path, database_url=ADDRESSES.database_url, broker_url="redis+socket:///run/valkey.sock")
    elsewhere = Board(given, head="ready", addresses=replace(ADDRESSES, api_url="http://127.0.0.1:81"))
    states = [
        ChildState("mirror", "down", 4, "exit code 70"),
        ChildState("api", "runs", 1, "signal 9"),
        ChildState("worker-1", "drained", 0, ""),
    ]
    text = text_of(elsewhere, states, width=120)
    for line in (
        "database  elsewhere  127.0.0.1:5433",
        "broker    elsewhere  /run/valkey.sock",
        "mirror    down       writes what workers tell to PostgreSQL; ended 4 times, last with exit code 70",
        "api       runs       http://127.0.0.1:81/docs; ended once, with signal 9",
        "worker-1  drained    3 tasks at once, queue a,b",
        "`celeriac top --url http://127.0.0.1:81` shows",
    ):
        assert line in text


async def test_it_is_drawn_until_the_end_and_outlives_a_terminal_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        gone = False
        tries = 0

        def write(self, text: str) -> int:
            Terminal.tries += 1
            if self.gone:
                raise OSError("gone")
            return super().write(text)

    terminal = Terminal()
    monkeypatch.setattr(board, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(board, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=80))
    supervisor = Supervisor(tmp_path)
    drawn = Board(settings(tmp_path))
    async with shown(drawn, supervisor):
        await until(lambda: "starting" in terminal.getvalue())
        drawn.head = "stopping"
        await until(lambda: "stopping" in terminal.getvalue())
        terminal.gone = True
        tries = Terminal.tries
        await until(lambda: Terminal.tries > tries + 2)
        terminal.gone = False


def test_where_no_table_can_be_drawn_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def able(**more: Any) -> bool:
        monkeypatch.setattr(board, "Console", lambda **_: Console(file=io.StringIO(), **more))
        return board.is_terminal()

    monkeypatch.setenv("TERM", "xterm")
    assert able(force_terminal=True)
    assert not able()
    monkeypatch.setenv("TERM", "dumb")
    assert not able(force_terminal=True)
