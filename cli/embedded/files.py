"""Small files that an embedded server's folder keeps: its password and the port it had last time."""

import errno
import secrets
import socket
from pathlib import Path

from cli.errors import CliError

LOOPBACK = "127.0.0.1"


def make_folder(folder: Path) -> None:
    """Makes the folder, readable by its owner only."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        raise CliError(f"The data folder {folder} cannot be written: {error.strerror}.") from error


def write_secret(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, never half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text)
    draft.replace(path)


def kept_password(folder: Path) -> str:
    """The password in the folder's `password` file; made at first use."""
    path = folder / "password"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(24))
    return path.read_text()


def kept_port(folder: Path) -> int:
    """The port of last time, so that URLs stay stable over restarts; another one if it is taken now."""
    path = folder / "port"
    remembered = path.read_text().strip() if path.exists() else ""
    port = int(remembered) if remembered.isdecimal() else 0
    if not port or not is_free(LOOPBACK, port):
        port = pick_port()
        path.write_text(f"{port}\n")
    return port


def is_free(host: str, port: int) -> bool:
    """Whether a server may listen there now; raises OSError for an address that is not ours."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def pick_port() -> int:
    """A free port; it is ours only once a server listens on it."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
