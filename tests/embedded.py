"""Test support: a real PostgreSQL and a real Valkey in a temporary folder, without fsync, stopped at the end.

Built on the same embedded servers as `celeriac up`. The fixtures made of them are in `conftest.py`.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.embedded.postgres import PostgresServer, prepare_postgres
from cli.embedded.valkey import ValkeyServer, prepare_valkey
from store.migrate import migrate
from tests.patience import PATIENCE_SECONDS, moments

STOP_SECONDS = 20
PORT_TRIES = 3
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 * 2**30
"""Must be free: a cluster takes 0.1 GB, and up to 1 GB more of write-ahead log."""

Server = PostgresServer | ValkeyServer


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder that goes at the end, in memory where there is room: a database is copied there in 20 ms, not in 200."""
    in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    with TemporaryDirectory(prefix="celeriac-tests-", dir=MEMORY if in_memory else None) as folder:
        yield Path(folder)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database `celeriac`; its user may create further databases."""
    with running(lambda: prepare_postgres(folder, durable=False), folder / "server.log") as server:
        yield server.url


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The URL of an empty Valkey, without a database number: append `/0`."""
    with running(lambda: prepare_valkey(folder, durable=False), folder / "server.log") as server:
        yield server.url


@cache
def migrated_postgres() -> Path:
    """The folder of an embedded PostgreSQL with all tables, stopped, to be copied. Made once in this process."""
    folder = Path(_kept_folder().name) / "postgres"
    with postgres(folder) as url:
        migrate(url)
    return folder


@cache
def _kept_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="celeriac-tests-")


@contextmanager
def running(prepare: Callable[[], Server], log: Path) -> Iterator[Server]:
    """Starts what `prepare` describes; another process may take the chosen port first, so it tries again."""
    for _ in range(PORT_TRIES):
        server = prepare()
        with log.open("ab") as output:
            process = subprocess.Popen(server.command, stdout=output, stderr=output, start_new_session=True)
        try:
            if _wait_until_it_answers(server, process):
                yield server
                return
        finally:
            stop(process, server)
    raise RuntimeError(f"{server.name} did not start:\n{log.read_text()[-2000:]}")


def stop(process: subprocess.Popen[bytes], server: Server) -> None:
    """Asks politely, then kills; no process is left either way."""
    if process.poll() is None:
        process.send_signal(server.stop_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    for _ in moments(PATIENCE_SECONDS):
        if process.poll() is not None:
            break
        if server.answers():
            return True
    return False
