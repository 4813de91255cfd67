"""The owner's own `inspect ping`, `status` and `purge` beside Celeriac: answered as without it, and nothing in his log.

Each configuration has a broker of its own with one worker that knows nothing of us. First the commands are given
without Celeriac, then beside a `celeriac up` that only watches.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import typer

from bench.drills.findings import DrillReport, Finding, equal, present
from bench.rabbitmq import rabbitmq, rabbitmq_program
from bench.report import JsonFile
from bench.stack import running, running_up, temporary_folder, wait_until
from cli.embedded.valkey import prepare_valkey

AT_ONCE = 2
"""How many setups run at once; their commands wait nearly all the time."""
COMMANDS = ("inspect ping", "status", "purge")
COMPLAINT = re.compile(r": (WARNING|ERROR|CRITICAL)/|^Traceback", re.MULTILINE)
RABBIT = "rabbitmq"

APP = """
import os
from celery import Celery

app = Celery("owned", broker=os.environ["BROKER"])
app.conf.update({options!r})


@app.task(name="owned.add")
def add(a, b):
    return a + b
"""

OWNER = '''
"""Gives each command so many times, as at the command line, and tells how often it was answered."""

import contextlib
import io
import json
import sys

from celery.bin.celery import celery

COMMANDS = {
    "inspect ping": ["inspect", "ping"],
    "status": ["status"],
    "purge": ["purge", "-f"],
}
answered = dict.fromkeys(COMMANDS, 0)
for _ in range(int(sys.argv[1])):
    for name, words in COMMANDS.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(Exception):
            celery.main(args=["-A", "owned", *words], prog_name="celery", standalone_mode=False)
            answered[name] += name == "purge" or "owned@drill" in said.getvalue()
print(json.dumps(answered))
'''


@dataclass(frozen=True, slots=True)
class Setup:
    """How an owner has set up his app, and what Celeriac is told of it."""

    options: Mapping[str, object] = field(default_factory=dict)
    ours: Mapping[str, str] = field(default_factory=dict)


_PREFIX = {"global_keyprefix": "shop:"}
SETUPS: Mapping[str, Setup] = {
    "default": Setup(),
    "sep": Setup({"broker_transport_options": {"sep": ":", "priority_steps": list(range(10))}}),
    "prefix": Setup({"broker_transport_options": _PREFIX}, {"CELERIAC_BROKER_TRANSPORT_OPTIONS": json.dumps(_PREFIX)}),
    "pickle": Setup({"accept_content": ["pickle"], "task_serializer": "pickle", "result_serializer": "pickle"}),
    RABBIT: Setup(),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """How often each command was answered, and how many lines of complaint the worker's log had then."""

    answered: Mapping[str, int]
    complaints: int


def main(
    times: Annotated[int, typer.Option(min=1, help="How often each command is given.")] = 100,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(SETUPS)}.")] = None,
    *,
    json_file: JsonFile = None,
) -> None:
    """Give the owner's commands without Celeriac and beside it."""
    present(measure(times=times, names=only or list(SETUPS)), json_file)


def measure(*, times: int, names: Sequence[str]) -> DrillReport:
    """Give every command so often without Celeriac and beside it, on these setups, and compare what is seen."""
    able = [name for name in names if name != RABBIT or rabbitmq_program()]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda name: list(_try(name, SETUPS[name], times=times)), able)
        findings = [finding for of_setup in found for finding in of_setup]
    notes = [f"{name} is not installed: not tried." for name in names if name not in able]
    return DrillReport(title=f"The owner's remote control, {times} times each", findings=findings, notes=notes)


def _try(name: str, setup: Setup, *, times: int) -> Iterator[Finding]:
    with temporary_folder() as folder, _broker(name, folder) as broker_url, ExitStack() as stack:
        (folder / "owned.py").write_text(APP.format(options=dict(setup.options)))
        (folder / "owner.py").write_text(OWNER)
        log = _start_worker(stack, folder, broker_url=broker_url)
        alone = _give(folder, broker_url, times=times, log=log)
        ours = {"CELERIAC_BROKER_URL": broker_url, **setup.ours}
        with running_up(environment=ours) as up:
            if name != "prefix":  # known only where the prefix is
                wait_until(lambda: _is_seen(up.api_url), f"the worker of {name}")
            beside = _give(folder, broker_url, times=times, log=log)
    for command in COMMANDS:
        yield equal(f"{name}: `{command}` answered", alone.answered[command], seen=beside.answered[command])
    yield equal(f"{name}: lines in the owner's log", 0, seen=beside.complaints - 2 * alone.complaints)


@contextmanager
def _broker(name: str, folder: Path) -> Iterator[str]:
    place = folder / "broker"
    place.mkdir()
    if name == RABBIT:
        with rabbitmq(place) as url:
            yield url
    else:
        valkey = prepare_valkey(place)
        with running(valkey.command, place / "server.log", environment={}, stop_signal=valkey.stop_signal):
            wait_until(valkey.answers, valkey.name)
            yield f"{valkey.url}/0"


def _start_worker(stack: ExitStack, folder: Path, *, broker_url: str) -> Path:
    command = [sys.executable, "-m", "celery", "-A", "owned", "worker", "-l", "info", "-c", "1", "-n", "owned@drill"]
    log = folder / "worker.log"
    environment = {"BROKER": broker_url, "PYTHONPATH": str(folder), "C_FORCE_ROOT": "1"}
    worker = stack.enter_context(running(command, log, environment=environment))
    wait_until(lambda: worker.has_printed("owned@drill ready"), "the worker")
    return log


def _give(folder: Path, broker_url: str, *, times: int, log: Path) -> Seen:
    """How often they were answered, with what the log complains of since the worker was ready."""
    done = subprocess.run(
        [sys.executable, str(folder / "owner.py"), str(times)],
        env={"BROKER": broker_url, "PYTHONPATH": str(folder), "PATH": ""},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    _, _, since = log.read_text().partition("owned@drill ready")
    return Seen(json.loads(done.stdout.strip().splitlines()[-1]), len(COMPLAINT.findall(since)))


def _is_seen(api_url: str) -> bool:
    answer = httpx.get(f"{api_url}/api/v1/workers", timeout=30)
    return answer.is_success and any(worker["hostname"] == "owned@drill" for worker in answer.json()["workers"])
