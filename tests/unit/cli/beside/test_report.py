"""What a person sees: short, bounded, and without passwords."""

from pathlib import Path

import pytest

from cli.beside.advice import Advice, advise
from cli.beside.report import show_app, show_fleet
from cli.beside.values import beside
from domain.promises import FleetWorker
from tests.unit.cli.beside.apps import facts


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def consumer(node: str = "celery@a", *, plugin: str | None = None, events: bool | None = True) -> FleetWorker:
    return FleetWorker(node=node, queues=("celery", "mail"), plugin=plugin, events=events)


def test_the_app_is_shown_with_its_servers_and_without_their_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    show_app("shop", facts(), interpreter="/srv/venv/bin/python", beside=beside(facts(), data="here"))
    shown = capsys.readouterr().out
    assert "redis://:***@broker.example:6379/3" in shown
    assert "PostgreSQL in here" in shown
    assert "s3cret" not in shown
    assert len(shown.splitlines()) <= 10
    assert max(map(len, shown.splitlines())) <= 80


def test_a_fleet_of_thousands_is_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    show_fleet(
        [consumer(f"celery@{number}") for number in range(3000)], Advice("More would hold:", "celery -A shop worker")
    )
    shown = capsys.readouterr().out
    assert "and 2980 more" in shown
    assert len(shown.splitlines()) < 40


def test_queues_of_which_the_same_holds_share_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    queues = tuple(f"queue-{number:02}" for number in range(50))
    show_fleet([FleetWorker("a", (*queues, "other"), None, True), FleetWorker("b", ("other",), None, False)], None)
    shown = capsys.readouterr().out
    assert "and 30 more" in shown
    assert len([line for line in shown.splitlines() if line.split()[-2:] == ["no", "no"]]) == 2


def test_names_that_workers_chose_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_fleet([consumer("celery@\x1b[2J[red]x")], None)
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[red]x" in shown


@pytest.mark.parametrize(
    ("consumers", "celery", "plugin", "installed", "line"),
    [
        ([], "5.4.0", None, False, "celery -A shop worker -E"),
        ([consumer(plugin="1")], "5.4.0", "1", False, None),
        ([consumer(plugin="1", events=None)], "5.4.0", "1", True, "celery -A shop worker -E"),
        ([consumer()], "5.4.0", None, False, "celery -A shop worker -E -I celeriac_worker.auto"),
        ([consumer(), consumer(plugin="1")], "5.4.0", "1", True, "celery -A shop worker -E"),
        ([consumer(events=None)], "4.4.7", None, False, "celery -A shop worker -E"),
        ([consumer()], "4.4.7", None, False, None),
    ],
)
def test_one_line_would_make_more_hold(
    consumers: list[FleetWorker], celery: str, plugin: str | None, installed: bool, line: str | None
) -> None:
    found = advise("shop", facts(celery=celery, plugin=plugin, plugin_installed=installed), consumers=consumers)
    assert (found.line if found else None) == line
    if found and line and "-I" in line:
        assert found.before == "pip install celeriac-worker"


def test_the_line_of_the_advice_names_a_module_that_is_there() -> None:
    assert (Path(__file__).parents[4] / "workers" / "celeriac_worker" / "auto.py").exists()
