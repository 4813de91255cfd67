import io
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.client import Client, NotReachable
from cli.commands import top
from cli.errors import CliError
from cli.main import application
from cli.top.reading import Reader
from tests.unit.cli.top.test_reading import ANSWERS

STATS = {"total_tasks_submitted": 0, "parked": 0, "queue_depth": 0, "active_workers": 1, "total_workers": 1}
EMPTY: dict[str, Any] = {
    **{path: {"data": [], "total": 0} for path in ANSWERS},
    "/dashboard/stats": STATS | {"tasks_completed": 0, "tasks_failed": 0},
    "/analytics/trends": {"series": [], "by_task": []},
    "/analytics/failures": {"groups": []},
    "/health": {"status": "healthy"},
    "/me": {"queues": [], "task_names": []},
}
NEEDS_A_KEY = "This needs an API key."


@pytest.fixture
def closed() -> set[str]:
    """The paths that need a key."""
    return set()


@pytest.fixture
def is_away(monkeypatch: pytest.MonkeyPatch, closed: set[str]) -> list[bool]:
    """Whether the API is away, at the end of the list."""
    away = [False]

    def handle(_: object, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if away[-1]:
            raise httpx.ConnectError("refused")
        if path in closed:
            return httpx.Response(401, json={"detail": NEEDS_A_KEY}, request=request)
        return httpx.Response(200, json=EMPTY[path], request=request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    return away


@pytest.mark.usefixtures("is_away")
def test_where_there_is_no_terminal_it_prints_once() -> None:
    result = CliRunner().invoke(application(["top"]), ["top"])
    assert result.exit_code == 0
    assert "Ready. No task has been submitted yet." in result.output
    assert "\x1b" not in result.output


def test_an_api_that_does_not_answer_is_one_sentence(is_away: list[bool]) -> None:
    is_away.append(True)
    result = CliRunner().invoke(application(["top"]), ["top", "--once"])
    assert isinstance(result.exception, NotReachable)


@pytest.mark.usefixtures("is_away")
def test_without_a_key_the_refusal_is_the_sentence_and_no_success(closed: set[str]) -> None:
    closed |= EMPTY.keys() - {"/health"}
    result = CliRunner().invoke(application(["top"]), ["top", "--once"])
    assert isinstance(result.exception, CliError)
    assert (str(result.exception), result.exception.exit_code, result.output) == (NEEDS_A_KEY, 1, "")


@pytest.mark.usefixtures("is_away")
def test_what_is_told_in_part_is_not_called_well(closed: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    closed.add("/alerts")
    monkeypatch.setitem(EMPTY["/dashboard/stats"], "total_tasks_submitted", 1)
    result = CliRunner().invoke(application(["top"]), ["top", "--once"])
    assert (result.exit_code, result.output.startswith(f"… {NEEDS_A_KEY}")) == (1, True)


@pytest.mark.usefixtures("is_away")
def test_a_key_that_does_not_open_any_more_leaves_no_green_mark(closed: set[str]) -> None:
    file = io.StringIO()
    shown: list[str] = []

    def wait(_: float) -> bool:
        shown.append(file.getvalue())
        file.truncate(file.seek(0))
        closed.update(EMPTY.keys() - {"/health"})
        return len(shown) == 2

    with Client("http://h") as client:
        console = Console(file=file, force_terminal=True, width=100, height=30)
        top._follow(Reader(client), console, wait=wait, every=3.0, place="http://h/ui/")
    assert [NEEDS_A_KEY in screen for screen in shown] == [False, True]
    assert ["✓" in screen for screen in shown] == [True, False]


def test_it_follows_until_a_key_and_outlives_a_restart(is_away: list[bool]) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=30)
    shown: list[str] = []

    def wait(seconds: float) -> bool:
        assert seconds == 3.0
        shown.append(file.getvalue())
        file.truncate(file.seek(0))
        is_away.append(len(shown) == 1)
        return len(shown) == 3

    with Client("http://h") as client:
        top._follow(Reader(client), console, wait=wait, every=3.0, place="http://h/ui/")
    assert [top.AWAY in screen for screen in shown] == [False, True, False]
    assert ["http://h/ui/" in screen for screen in shown] == [True, False, True]
    assert all("No task has been submitted" in screen for screen in shown)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where keys are pressed."""
    ours, its = os.openpty()
    with os.fdopen(its) as terminal:
        monkeypatch.setattr("cli.commands.top.sys.stdin", terminal)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(("keys", "leaves"), [(b"q", True), (b"\x1b", True), (b"x", False), (b"\x1b[A", False)])
def test_q_leaves_and_an_arrow_does_not(keyboard: int, keys: bytes, leaves: bool) -> None:
    with top._keys() as wait:
        os.write(keyboard, keys)
        assert wait(60 if leaves else 0.05) is leaves


def test_where_no_keys_come_it_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.commands.top.sys.stdin", io.StringIO())
    with top._keys() as wait:
        assert wait(0.0) is False
