"""The options of `celeriac up`."""

from typing import Any

import pytest

from cli.commands import up
from cli.errors import CliError
from settings import Settings
from tests.unit.cli.commands.commands import run


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of each system that was run."""
    systems: list[Settings] = []

    async def run_up(settings: Settings) -> None:
        systems.append(settings)

    for name in ("PORT", "HOST", "WORKERS", "QUEUES"):
        monkeypatch.delenv(f"CELERIAC_{name}", raising=False)
    monkeypatch.setattr(up, "run_up", run_up)
    return systems


def test_options_beat_variables_and_what_neither_says_is_usual(
    ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_PORT", "8123")
    monkeypatch.setenv("CELERIAC_WORKERS", "5")
    run("up", "--port", "0", "--queues", "a,b")
    (settings,) = ran
    assert (settings.port, settings.workers, settings.queues) == (0, 5, ("a", "b"))
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize("options", [("--worker",), ("--python", "python3")])
def test_options_about_an_app_need_one(ran: list[Settings], options: tuple[str, ...]) -> None:
    with pytest.raises(CliError, match=r"^--python and --worker are about the app that -A names\.$"):
        run("up", *options)
    assert ran == []


@pytest.mark.parametrize(("option", "value"), [("--port", "65536"), ("--port", "-1"), ("--workers", "-1")])
def test_a_value_out_of_bounds_is_one_sentence(ran: list[Settings], option: str, value: str) -> None:
    with pytest.raises(CliError, match=rf"^CELERIAC_{option[2:].upper()}: ") as raised:
        run("up", option, value)
    assert "\n" not in str(raised.value)
    assert ran == []


def test_a_variable_that_nothing_reads_is_told(ran: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_PROT", "s3cret")
    result = run("up")
    assert "celeriac: nothing reads CELERIAC_PROT; did you mean CELERIAC_PORT?" in result.stderr
    assert "s3cret" not in result.output


def test_beside_an_app_what_was_not_said_is_left_to_the_app(
    ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr("cli.beside.run.run_beside", lambda name, **options: given.append((name, options)))
    run("up", "-A", "shop", "--worker", "--port", "1")
    ((name, options),) = given
    assert (name, options.pop("python"), options.pop("worker"), options.pop("port")) == ("shop", None, True, 1)
    assert set(options.values()) == {None}
    assert ran == []
