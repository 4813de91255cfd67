import json
from collections.abc import Callable
from typing import Any

import pytest

from cli import progress, workflow_tree
from cli.commands import doctor, workers
from cli.doctor import CheckResult
from cli.terminal import print_error, print_fields, print_json, print_text

BAD = "\x1b]0;pwn\x07\x1b[31m\x9b\u202e\ud800[red]x[/red]\r\n[bold]celeriac: forged"


def show_workflow(bad: str) -> None:
    step = {"id": bad, "task_name": bad, "status": "FAILED", "depends_on": [], "duration_seconds": 1.0, "error": bad}
    rest = {"name": bad, "status": "FAILED", "workflow_id": bad, "step_count": 1, "unfinished_steps": 0}
    workflow_tree.show_tree({"steps": [step], **rest})


def show_doctor(bad: str) -> None:
    doctor._show([CheckResult(bad, "warn", bad, bad)])


def show_workers(bad: str) -> None:
    workers._print({bad: bad, "queues": [bad]}, as_json=False)


def show_task(bad: str) -> None:
    progress.show_task({"task_id": bad, "error": bad, "result": {bad: [bad]}})


SHOWS: list[Callable[[str], None]] = [
    show_workflow,
    show_doctor,
    show_workers,
    show_task,
    print_text,
    print_error,
    print_json,
    lambda bad: print_json({bad: bad}, indent=2),
    lambda bad: print_fields({bad: bad}),
]


@pytest.mark.parametrize("show", SHOWS)
def test_nothing_that_is_shown_steers_the_terminal(
    show: Callable[[str], None], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    show(BAD)
    out, err = capfd.readouterr()
    shown = out + err
    assert "pwn" in shown
    assert not [char for char in shown if char != "\n" and (not char.isprintable() or "\x7f" <= char < "\xa0")]
    # Markup is text.
    assert "[red]x[/red]" in shown.replace("\\/", "/")
    assert not [line for line in shown.splitlines() if line.startswith(("celeriac: forged", "[bold]"))]


def test_json_is_what_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    answer: dict[str, Any] = {BAD + "\x7f": [BAD, 1, None]}
    print_json(answer)
    assert json.loads(capfd.readouterr().out) == answer
