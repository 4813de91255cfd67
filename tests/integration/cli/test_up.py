"""`celeriac up` as a whole: what it prints, that it is alone in its folder, and that nothing is left of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).parents[3]
STOP_SECONDS = 60.0
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CELERIAC_")},
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workers")]),
}


@dataclass(frozen=True, slots=True)
class Up:
    process: subprocess.Popen[str]
    url: str
    data: Path

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def up(data: Path, *options: str) -> Iterator[Up]:
    log = data.with_name("up.log")
    process = _start(data, *options)
    try:
        yield Up(process, _ready_url(process, log), data)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        assert process.stdout
        process.stdout.close()


def _start(data: Path, *options: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", "-m", "cli", "up", "--data", str(data), "--port", "0", "--flower-port", "0", *options]
    with data.with_name("up.log").open("a") as stderr:
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr, text=True, env=ENVIRONMENT)


def celeriac(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "cli", *arguments]
    return subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the module: the second start is another matter than the first."""
    return tmp_path_factory.mktemp("up") / "data"


def test_it_runs_a_task_guards_its_folder_and_leaves_nothing_after_a_kill(data: Path) -> None:
    with up(data) as running:
        submitted = celeriac("submit", "celeriac.add", "--args", "[2, 40]", "--wait", "--json", "--url", running.url)
        assert submitted.returncode == 0, submitted.stderr
        assert json.loads(submitted.stdout)["result"] == 42

        second = celeriac("up", "--data", str(data), "--port", "0", "--flower-port", "0")
        assert second.returncode == 1
        assert second.stderr == f"celeriac: A `celeriac up` already runs in {data}; stop it or choose another --data.\n"

        examined = celeriac("doctor", "--json", "--data", str(data))
        assert examined.returncode == 0, examined.stdout
        _assert_passwords_are_private(running)

        family = running.family()
        running.process.kill()
        wait_for(lambda: not psutil.wait_procs(family, timeout=0)[1])


def test_it_starts_again_on_the_same_data_and_two_interrupts_end_it_well(data: Path) -> None:
    with up(data) as running:
        assert json.loads((data / "urls.json").read_text())["api_url"] == running.url
        family = running.family()
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(STOP_SECONDS) == 0
        assert running.process.stdout
        assert running.process.stdout.read() == ""
    assert not psutil.wait_procs(family, timeout=0)[1]
    assert not (data / "urls.json").exists()


@pytest.mark.parametrize("child", ["valkey", "postgres", "mirror", "worker-1"])
def test_a_signal_while_it_starts_ends_it_well(data: Path, child: str) -> None:
    """However far it has come: the child's log is made right before the child is."""
    log = data / "logs" / f"{child}.log"
    log.unlink(missing_ok=True)
    process = _start(data)
    wait_for(log.exists)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0
    assert process.stdout
    assert process.stdout.read() == ""
    process.stdout.close()
    assert not psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1]


def test_a_signal_while_a_child_waits_for_its_next_life_ends_it_well(data: Path) -> None:
    with up(data) as running:
        errors = data.with_name("up.log")
        for _ in range(4):  # the fourth wait is long enough to be met
            ends = errors.read_text().count("celeriac: loops ended")
            _kill_child(running, "loops")
            wait_for(lambda: errors.read_text().count("celeriac: loops ended") > ends)  # noqa: B023
        family = running.family()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(STOP_SECONDS) == 0
    assert not psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1]


def _kill_child(running: Up, name: str) -> None:
    def found() -> list[psutil.Process]:
        return [child for child in running.family() if child.is_running() and child.cmdline()[-1:] == [name]]

    wait_for(found)
    for child in found():
        child.kill()


def _assert_passwords_are_private(running: Up) -> None:
    passwords = [path.read_text() for path in running.data.glob("*/password")]
    assert len(passwords) == 3, "of PostgreSQL, Valkey and the seals of the audit"
    for process in running.family():
        assert not any(password in " ".join(process.cmdline()) for password in passwords)
    assert (running.data / "urls.json").stat().st_mode & 0o777 == 0o600
    logs = "".join(path.read_text() for path in (running.data / "logs").iterdir())
    assert not any(password in logs for password in passwords)


def _ready_url(process: subprocess.Popen[str], log: Path) -> str:
    """Reads the one line; `up` ends by itself if it cannot start, and pytest's own limit bounds the rest."""
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("celeriac ready http://127.0.0.1:"), log.read_text()[-3000:]
    return line.split()[-1]
