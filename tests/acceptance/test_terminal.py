"""What clients choose reaches the operator's terminal as text: through the command line, the logs and the relay."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance.stack import Stack
from tests.patience import wait_for

BAD = "\x1b]0;pwn\x07\x1b[31mRED\x1b[2J\x9b31m\u202e\r\n[2026-01-01 00:00:00,000: INFO/MainProcess] forged [red]x[/red]"


def unsafe(text: str) -> set[str]:
    return {char for char in text if char not in "\n\t" and not char.isprintable()}


def shown_by(*arguments: str, stack: Stack) -> str:
    argv = [sys.executable, "-m", "cli", *arguments, "--url", stack.url]
    done = subprocess.run(argv, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_a_tasks_error_neither_steers_a_terminal_nor_forges_a_line(stack: Stack) -> None:
    task_id = stack.submit("celeriac.fail", BAD, max_retries=0)
    assert stack.wait_for_end(task_id)["error"].endswith("forged [red]x[/red]")
    log: Path = stack.data / "logs" / "worker-1.log"
    escaped = "\\u001b]0;pwn\\u0007"
    wait_for(lambda: escaped in log.read_text() and escaped in stack.errors())  # copied a moment later
    for text in (log.read_text(), stack.errors()):
        assert "forged" in text
        assert escaped in text
        assert not unsafe(text)
        assert not [line for line in text.splitlines() if line.removeprefix("worker-1 | ").startswith("[2026-01-01")]
    shown = shown_by("task", task_id, stack=stack)
    assert "[red]x[/red]" in shown
    assert not unsafe(shown)
    assert json.loads(shown_by("task", task_id, "--json", stack=stack))["task_args"] == [BAD]


def test_names_and_answers_are_text_too(stack: Stack) -> None:
    for arguments in (("task", BAD), ("workers", "show", BAD), ("workflow", "show", BAD), ("submit", BAD)):
        shown = shown_by(*arguments, stack=stack)
        assert shown
        assert not unsafe(shown), arguments
