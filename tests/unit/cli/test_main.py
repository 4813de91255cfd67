"""How a command ends: its exit code, and one sentence for whoever stands at the terminal."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from cli import main as main_module
from cli.errors import CliError, OpenAccess
from cli.main import COMMANDS, application, main


def run(monkeypatch: pytest.MonkeyPatch, command: Callable[[], None]) -> int | str | None:
    """The code with which `celeriac` ends where its command does this."""

    def made(_: list[str]) -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command("task")(command)
        app.command("other")(lambda: None)
        return app

    monkeypatch.setattr(main_module, "application", made)
    monkeypatch.setattr(sys, "argv", ["celeriac", "task"])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CliError("No answer from there."), 1, "celeriac: No answer from there.\n"),
        (OpenAccess("Open.\nTo all."), 2, "celeriac: Open.\n  To all.\n"),
        (CliError("forged\x1b[2J"), 1, "celeriac: forged\\u001b[2J\n"),
    ],
)
def test_what_a_command_refuses_is_said_on_stderr_with_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: CliError, code: int, said: str
) -> None:
    assert run(monkeypatch, raising(error)) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", said)


def test_a_command_that_returns_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, lambda: None) == 0


def test_an_exit_code_of_a_command_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, raising(typer.Exit(3))) == 3


def test_an_interrupt_ends_with_130_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, raising(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_nobody_foresaw_is_raised_for_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, raising(ZeroDivisionError()))


def test_every_command_has_a_module_of_its_name_and_no_module_has_none() -> None:
    modules = {file.stem for file in Path(main_module.__file__).with_name("commands").glob("[a-z]*.py")}
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("name", ["task", "workers", "settings", "submit", "workflow", "migrate"])
def test_only_the_command_that_is_asked_for_is_loaded(name: str) -> None:
    app = application([name, "--help"])
    listed = {each.name for each in app.registered_commands} | {each.name for each in app.registered_groups}
    assert listed == set(COMMANDS)
    loaded = {each.name for each in app.registered_commands if each.callback is not main_module._not_loaded}
    groups = {each.name for each in app.registered_groups}
    assert loaded | groups == {name}
    assert importlib.import_module(f"cli.commands.{name}").command
