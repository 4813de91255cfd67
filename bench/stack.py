"""What is measured, started for the time of a measurement: a whole `celeriac up`, or its servers and single processes.

On loopback and free ports, in a temporary folder, and as durable as in production.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil
import redis

from cli.addresses import read_addresses
from cli.embedded.files import LOOPBACK, is_free, make_folder, pick_port
from cli.embedded.postgres import prepare_postgres
from cli.embedded.valkey import prepare_valkey
from cli.launch import launch_command
from store.migrate import migrate

START_SECONDS = 180.0
"""A start takes six; where many start at once on a machine that is slow, each takes a minute."""
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
POSTGRES_TO_COPY = "BENCH_POSTGRES"
"""The variable that names the folder of an embedded PostgreSQL, migrated and stopped, to begin with a copy of it: a new
one takes two seconds of processor time, which figures do not need.
"""
QUEUE = "bench"
"""A queue that nobody consumes, so that no worker competes for the processor."""


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs with their passwords: never printed."""

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    result_url: str = field(repr=False)
    redis_url: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return the variables by which processes of ours find these servers."""
        names = ("database_url", "broker_url", "result_url", "redis_url")
        return {f"CELERIAC_{name.upper()}": getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Stack:
    """A `celeriac up` that is ready."""

    api_url: str
    flower_url: str = field(repr=False)
    """The URL of Flower with its login; empty if it was not started."""
    servers: Servers
    pid: int
    """The pid of `celeriac up`; its children are all the others."""


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process that was started, and the file with all that it printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def has_printed(self, words: str) -> bool:
        """Return whether it has printed these words. Raises RuntimeError if it has ended instead."""
        printed = self.log.read_text()
        if words not in printed and self.process.poll() is not None:
            last = (printed.strip().splitlines() or ["nothing printed"])[-1]
            raise RuntimeError(f"{self.log.stem} ended with exit code {self.process.returncode}: {last}")
        return words in printed


@contextmanager
def running_up(
    *,
    workers: int = 0,
    flower: bool = False,
    data: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    """Start `celeriac up` with the rate limit off and wait until it is ready; it consumes the default queue with
    workers.
    """
    port, flower_port = pick_port(), pick_port() if flower else 0
    with nullcontext(data) if data else temporary_folder() as folder:
        if not data:
            _begin_with_a_copy(folder / "postgres")
        options = ["--port", str(port), "--flower-port", str(flower_port), "--workers", str(workers)]
        command = [sys.executable, "-m", "cli", "up", *options, "--data", str(folder)]
        environment = {"CELERIAC_RATE_LIMIT_PER_MINUTE": "0"} | dict(environment)
        with running(
            launch_command(command, death_signal=signal.SIGTERM), folder / "up.log", environment=environment
        ) as up:
            wait_until(lambda: up.has_printed("celeriac ready"), "celeriac up")
            if flower:
                wait_until(lambda: not is_free(LOOPBACK, flower_port), "Flower")
            found = read_addresses(folder)
            assert found is not None
            servers = Servers(found.database_url, found.broker_url, found.result_url, found.redis_url)
            yield Stack(found.api_url, found.flower_url or "", servers, up.process.pid)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start an embedded PostgreSQL, migrated, and an embedded Valkey, with the settings of `celeriac up`."""
    with temporary_folder() as folder, ExitStack() as stack:
        _begin_with_a_copy(folder / "postgres")
        postgres, valkey = prepare_postgres(folder / "postgres"), prepare_valkey(folder / "valkey")
        for server in (postgres, valkey):
            log = folder / f"{server.name}.log"
            stack.enter_context(running(server.command, log, environment={}, stop_signal=server.stop_signal))
            wait_until(server.answers, server.name)
        migrate(postgres.url)
        yield Servers(postgres.url, f"{valkey.url}/0", f"{valkey.url}/1", f"{valkey.url}/2")


def copy_postgres(source: Path, folder: Path) -> None:
    """Make this the folder of an embedded PostgreSQL that holds what the stopped one in `source` does."""
    make_folder(folder)
    # Its port is not copied: two that begin at once would both find it free.
    for name in ("cluster", "password"):
        subprocess.run(["cp", "--archive", source / name, folder], check=True)


def _begin_with_a_copy(folder: Path) -> None:
    source = os.environ.get(POSTGRES_TO_COPY)
    if source:
        copy_postgres(Path(source), folder)


@contextmanager
def running_door(
    name: str,
    servers: Servers,
    *options: str,
    ready: str,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[RunningProcess]:
    """Start a process of ours, e.g. `celeriac loops`, and wait for the word by which it is ready."""
    with temporary_folder() as folder:
        command = launch_command([sys.executable, "-m", "cli", name, *options], death_signal=signal.SIGTERM)
        with running(command, folder / f"{name}.log", environment=servers.environment() | dict(environment)) as door:
            wait_until(lambda: door.has_printed(ready), name)
            yield door


@contextmanager
def running_api(servers: Servers, **environment: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start an API on a free port, with the rate limit off unless told otherwise; yields its URL and the process."""
    port = pick_port()
    environment = {"CELERIAC_RATE_LIMIT_PER_MINUTE": "0", "CELERIAC_PORT": str(port)} | environment
    with temporary_folder() as folder:
        command = launch_command([sys.executable, "-m", "cli", "api"], death_signal=signal.SIGTERM)
        with running(command, folder / "api.log", environment=servers.environment() | environment) as api:
            wait_until(lambda: not is_free(LOOPBACK, port) or api.has_printed("\0"), "the API")
            yield f"http://{LOOPBACK}:{port}", psutil.Process(api.process.pid)


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str],
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[RunningProcess]:
    """Start a process that is asked to stop at the end, and killed if it does not."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=os.environ | dict(environment), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield RunningProcess(process, log)
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return different ports that are free now."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for the block and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as name:
        yield Path(name)


def wait_until(
    question: Callable[[], bool], what: str, *, seconds: float = START_SECONDS, pause: float = POLL_SECONDS
) -> None:
    """Ask every `pause` seconds. Raises TimeoutError if the answer stays no."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def processor_seconds() -> float:
    """Return what everything started from here has used so far; the ended children of a process count with it."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def empty_queue(broker_url: str) -> None:
    """Drop the messages that nobody consumes; in Redis each priority has a list of its own."""
    with redis.Redis.from_url(broker_url) as client:
        for key in client.scan_iter(match=f"{QUEUE}*", count=1000):
            client.delete(key)
