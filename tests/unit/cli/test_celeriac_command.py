"""The command of Celery's own command line, which every `celery` of an environment with Celeriac imports."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from celeriac_command import command

ROOT = Path(__file__).parents[3]


@click.group()
@click.option("-A", "--app")
def celery(app: str | None) -> None:
    """As Celery's is."""


celery.add_command(command)


@pytest.mark.parametrize(
    ("arguments", "becomes"),
    [
        (["celeriac"], ["up", "-A", "proj", "--python", sys.executable]),
        (
            ["celeriac", "--port", "1", "--worker"],
            ["up", "-A", "proj", "--python", sys.executable, "--port", "1", "--worker"],
        ),
        (["celeriac", "doctor", "--json"], ["doctor", "-A", "proj", "--python", sys.executable, "--json"]),
        (["celeriac", "--help"], ["up", "-A", "proj", "--python", sys.executable, "--help"]),
    ],
)
def test_it_becomes_our_command_for_the_app_as_it_was_named(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], becomes: list[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, argv: ran.append(argv))
    celery(["-A", "proj", *arguments], standalone_mode=False)
    assert ran[0][3:] == becomes
    assert ran[0][:3] == [sys.executable, "-P", str(ROOT / "celeriac_command.py")]


def test_without_an_app_it_says_how() -> None:
    with pytest.raises(click.UsageError, match="celery -A proj celeriac"):
        celery(["celeriac"], standalone_mode=False)


def test_an_app_that_has_it_imported_keeps_its_own_modules() -> None:
    """Every name of our rooms would be ours from then on, in everybody's workers."""
    asked = "import sys, celeriac_command; print(sorted(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split("'"))
    assert not imported & {
        "api",
        "cli",
        "domain",
        "gateway",
        "loops",
        "mirror",
        "services",
        "settings",
        "store",
        "tasks",
    }
