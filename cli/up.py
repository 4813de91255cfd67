"""`celeriac up`: starts the whole system on this machine, keeps it alive, and stops it in order.

The data folder (`--data`, default `./.celeriac`) holds everything that survives a restart:

    lock            held while an `up` runs here
    audit/          password: the key of the seals over the audit, where nobody has named one for a database of ours
    flower/         password, where nobody has named a login for Flower
    urls.json       URLs of the running servers, passwords included; there while `up` runs
    postgres/       cluster/ (the data), password, port
    valkey/         appendonlydir/ (the data), valkey.conf, password, port
    logs/           what each child printed, 10 MB and one older file each

All of it is readable by its owner only. What `up` consists of is in `cli/stack.py`.
"""

import asyncio
import fcntl
import http.client
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cli.addresses import Addresses, forget_addresses, write_addresses
from cli.audit_key import with_audit_key
from cli.board import Board, is_terminal, shown
from cli.child import Child
from cli.embedded.files import is_free, make_folder, open_private, pick_port, tighten
from cli.embedded.postgres import PostgresServer, prepare_postgres
from cli.embedded.valkey import ValkeyServer, prepare_valkey
from cli.errors import CliError
from cli.exposure import refuse_open
from cli.flower_login import USER, kept_login, login_of, password_file
from cli.servers import refuse_unusable
from cli.stack import (
    addresses_of,
    api_url,
    child_environment,
    children,
    late_children,
    needs_postgres,
    needs_valkey,
    own_child,
    server_child,
    stop_order,
    worker_names,
)
from cli.supervisor import Supervisor
from domain.printable import printable
from settings import Settings
from store.inspection import is_current

SERVER_TRIES = 3
SERVER_START_SECONDS = 300.0  # crash recovery of a large database included
HEALTH_SECONDS = 3.0
PATIENCE_SECONDS = 15.0
GUEST_WORKER = "app-worker"

Server = PostgresServer | ValkeyServer


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody else's app that the system is started for: its own worker, if one is to run, and what is told then."""

    worker: Callable[[Addresses], Child] | None
    tell: Callable[[Addresses], None]


async def run_up(settings: Settings, *, guest: Guest | None = None) -> None:
    """Run the system until SIGINT or SIGTERM and stop every child. Raises CliError if it cannot start.

    A terminal shows a table of what runs (`cli/board.py`) or, with a guest, what is told of it: what children print is
    in their logs alone then.
    """
    if not _may_have_keys(settings):
        refuse_open(settings)
    settings = settings if settings.port else settings.model_copy(update={"port": pick_port()})
    _refuse_taken_ports(settings)
    await asyncio.to_thread(refuse_unusable, settings)
    stop_asked = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, stop_asked.set)
    with _only_one(settings.data):
        settings = with_audit_key(settings) if needs_postgres(settings) else settings
        is_drawn = guest is None and is_terminal()
        supervisor = Supervisor(settings.data / "logs", quiet=guest is not None or is_drawn)
        board = Board(settings)
        async with shown(board, supervisor) if is_drawn else nullcontext():
            starting = asyncio.create_task(_start(settings, supervisor, board=board, guest=guest))
            try:
                await _until_asked(stop_asked, starting)
            finally:
                board.head = "stopping"
                starting.cancel()
                await asyncio.wait([starting])
                for names in [[GUEST_WORKER], *stop_order(settings)]:
                    await supervisor.stop(*names)
                forget_addresses(settings.data)


def _may_have_keys(settings: Settings) -> bool:
    """Whether API keys may be in a database of ours that cannot be asked before it has been started."""
    return needs_postgres(settings) and (settings.data / "postgres" / "cluster").exists()


async def _until_asked(stop_asked: asyncio.Event, starting: asyncio.Task[None]) -> None:
    asked = asyncio.create_task(stop_asked.wait())
    await asyncio.wait([asked, starting], return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        await starting
    await asked


async def _start(settings: Settings, supervisor: Supervisor, *, board: Board, guest: Guest | None) -> None:
    addresses = board.addresses = await _start_servers(settings, supervisor, flower_login=_prepare_flower(settings))
    write_addresses(settings.data, addresses)
    environment = child_environment(settings, addresses)
    if not await asyncio.to_thread(is_current, addresses.database_url):
        await supervisor.run(own_child("migrate", environment))
    await asyncio.to_thread(refuse_open, settings.model_copy(update={"database_url": addresses.database_url}))
    for child in children(settings, environment):
        supervisor.start(child)
    await supervisor.until(partial(_hears_workers, settings, supervisor))
    for name in worker_names(settings):
        supervisor.let_go(name)
    if guest and guest.worker:
        supervisor.start(guest.worker(addresses))
    await supervisor.until(_Health(settings).is_green)
    for child in late_children(settings, environment):
        supervisor.start(child)
    board.head = "ready"
    print(f"celeriac ready {addresses.api_url}", flush=True)
    if guest:
        await asyncio.to_thread(guest.tell, addresses)


def _hears_workers(settings: Settings, supervisor: Supervisor) -> bool:
    """The mirror says so at level info; where that is not logged, nobody waits for it."""
    return supervisor.has_announced("mirror") or settings.log_level not in {"debug", "info"}


def _prepare_flower(settings: Settings) -> str | None:
    """Return its login, if there is one. A password made here is shown once, and only to a terminal: other ends are
    logs.
    """
    if not settings.flower_port:
        return None
    file = password_file(settings.data)
    is_new = not file.exists()
    login = login_of(settings)
    if login and file.exists() and login == kept_login(settings.data):
        # On a line of its own no terminal breaks it, however long the path is.
        shown = f":\n  {file.read_text()}" if is_new and sys.stderr.isatty() else ""
        print(f"celeriac: Flower's user is {USER}, its password is in {file}{shown}", file=sys.stderr, flush=True)
    return login


async def _start_servers(settings: Settings, supervisor: Supervisor, *, flower_login: str | None) -> Addresses:
    postgres_url, valkey_url = await asyncio.gather(
        _start_if(
            needs_postgres(settings), lambda: prepare_postgres(settings.data / "postgres"), supervisor=supervisor
        ),
        _start_if(needs_valkey(settings), lambda: prepare_valkey(settings.data / "valkey"), supervisor=supervisor),
    )
    return addresses_of(settings, postgres_url=postgres_url, valkey_url=valkey_url, flower_login=flower_login)


async def _start_if(needed: bool, prepare: Callable[[], Server], *, supervisor: Supervisor) -> str | None:
    """The server's URL once it answers, on another port if the chosen one was taken before it listened."""
    if not needed:
        return None
    for tries_left in reversed(range(SERVER_TRIES)):
        server = await asyncio.to_thread(prepare)
        supervisor.start(server_child(server))
        try:
            await supervisor.until(server.answers, server.name, within_seconds=SERVER_START_SECONDS)
            return server.url
        except CliError:
            await supervisor.stop(server.name)
            if not tries_left:
                raise
    return None


class _Health:
    """Asks the API whether everything is well, and tells on stderr now and then what it still waits for."""

    def __init__(self, settings: Settings) -> None:
        self._address = urlsplit(api_url(settings)).netloc
        self._ignored = {"workers"} if settings.workers == 0 else set()
        self._told_at = time.monotonic()

    def is_green(self) -> bool:
        checks = self._ask()
        unwell = [name for name, verdict in checks.items() if verdict != "healthy" and name not in self._ignored]
        if checks and not unwell:
            return True
        if time.monotonic() - self._told_at > PATIENCE_SECONDS:
            self._told_at = time.monotonic()
            print(
                f"celeriac: not ready yet: {printable(', '.join(unwell)) or 'the API does not answer'}", file=sys.stderr
            )
        return False

    def _ask(self) -> dict[str, str]:
        connection = http.client.HTTPConnection(self._address, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", "/api/v1/health")
            checks: dict[str, str] = json.load(connection.getresponse())["checks"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return {}  # not there yet
        finally:
            connection.close()
        return checks


def _refuse_taken_ports(settings: Settings) -> None:
    for port, option in ((settings.port, "--port"), (settings.flower_port, "--flower-port")):
        try:
            free = not port or is_free(settings.host, port)
        except OSError as error:
            raise CliError(f"{settings.host} cannot be listened on: {error.strerror}.") from error
        if not free:
            raise CliError(f"Port {port} on {settings.host} is in use; choose another with {option}.")


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Holds the folder's lock, which the kernel releases even after a kill -9."""
    make_folder(data)
    tighten(data)
    with open_private(data / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CliError(f"A `celeriac up` already runs in {data}; stop it or choose another --data.") from error
        yield
