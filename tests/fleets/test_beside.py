"""The first file of every Celery tutorial, `tasks.py`, by `celeriac up -A tasks`.

The app has an environment of its own, and modules that have the names of ours.
"""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import COMMAND, Stack, running
from tests.embedded import valkey
from tests.fleets.fleet import LEDGER

TASKS = """
import os

import ledger
import settings
from celery import Celery

app = Celery("tutorial", broker=settings.BROKER, backend=settings.BACKEND)
app.conf.task_default_queue = "lessons"
print("printed when it is imported")


@app.task
def add(a, b):
    ledger.note(f"add {a}")
    return a + b
"""
SETTINGS = """
import os

BROKER, BACKEND = os.environ["BROKER"], os.environ["BACKEND"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a project, beside whose modules ours have the same names."""
    found = tmp_path_factory.mktemp("tutorial")
    for name, source in {
        "tasks": TASKS,
        "settings": SETTINGS,
        "ledger": LEDGER,
        "cli": "1 / 0",
        "logs": "1 / 0",
    }.items():
        (found / f"{name}.py").write_text(source)
    return found


@pytest.fixture(scope="module")
def python(folder: Path) -> Path:
    """An interpreter of the project's own: with Celery, and without Celeriac."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # Of a `.pth` file the folders are added and theirs are not read: what is installed from a clone is not there.
    (packages / "celery.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    (folder / "valkey").mkdir()
    with valkey(folder / "valkey") as url:
        yield {
            "BROKER": f"{url}/0",
            "BACKEND": f"{url}/1",
            "FLEET_LEDGER": str(folder / "ledger"),
            "PYTHONPATH": str(folder),
            "COLUMNS": "100",
        }


@pytest.fixture(scope="module")
def stack(folder: Path, python: Path, environment: dict[str, Any]) -> Iterator[Stack]:
    options = ("-A", "tasks", "--python", str(python), "--worker")
    with running(
        folder / "up", folder=folder, options=options, flower=False, from_nothing=False, **environment
    ) as found:
        yield found


def test_a_tutorial_is_whole_by_one_command(
    stack: Stack, folder: Path, python: Path, environment: dict[str, str]
) -> None:
    told = stack.read_until("celery -A tasks worker -E -I celeriac_worker.auto\n")
    assert "app-worker@" in told
    assert " lessons " in told
    task = stack.wait_for_end(stack.submit("tasks.add", 2, 3))
    assert (task["status"], task["result"], task["queue_name"]) == ("COMPLETED", 5, "lessons")
    assert (folder / "ledger").read_text().count("add 2") == 1
    examined = json.loads(
        subprocess.run(
            [sys.executable, str(COMMAND), "doctor", "-A", "tasks", "--python", str(python), "--json"],
            cwd=folder,
            env=os.environ | environment | {"CELERIAC_DATA": str(stack.data)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert examined["queues"]["lessons"]["cancel"] == "partly"
    assert examined["app"]["plugin"] is None
