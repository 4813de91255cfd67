"""Small files that an embedded server's folder keeps: its password and the port it had last time."""

import errno
import os
import secrets
import socket
import stat
from io import TextIOWrapper
from pathlib import Path

from cli.errors import CliError

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535
PRIVATE_FOLDER, PRIVATE_FILE, OTHERS = 0o700, 0o600, 0o077
CLUSTER = "cluster"
OURS = ("lock", "urls.json", "logs", "postgres", "valkey", "flower", "audit")
"""What `up` makes in its data folder; whatever is below these is ours."""
EXPECTED = frozenset((*OURS, ".writable", ".writable.new", "lost+found"))


def make_folder(folder: Path, *, lent_to: int | None = None) -> None:
    """Make the folder, or take one that is there, so that only its owner, who is us, can enter it.

    `lent_to`: a user whom we have given it to. Raises CliError for one that cannot be used, or that holds other things
    than ours and is open to others: it may be meant to be.
    """
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        _take(folder, owners={os.geteuid(), lent_to})
        write_secret(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        raise CliError(f"The data folder {folder} cannot be written: {error.strerror}.") from error


def tighten(data: Path) -> None:
    """Close to others what an older `up` left open in its data folder. PostgreSQL watches over its cluster itself."""
    for name in OURS:
        for folder, folders, files in os.walk(data / name):
            folders[:] = [inner for inner in folders if inner != CLUSTER]
            _close(Path(folder), PRIVATE_FOLDER)
            for file in files:
                _close(Path(folder) / file, PRIVATE_FILE)
        if (data / name).is_file():
            _close(data / name, PRIVATE_FILE)


def open_private(path: Path) -> TextIOWrapper:
    """Open a file for appending; one that is made here can be read by its owner only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
    return open(descriptor, "a", encoding="utf-8")  # noqa: PTH123  the descriptor decides the mode


def _take(folder: Path, *, owners: set[int | None]) -> None:
    status = folder.stat()
    if status.st_uid not in owners:
        raise CliError(
            f"The data folder {folder} belongs to another user (uid {status.st_uid}); choose one of your own."
        )
    if not status.st_mode & OTHERS:
        return
    others = sorted({path.name for path in folder.iterdir()} - EXPECTED) if folder.name not in OURS else []
    if others:
        raise CliError(
            f"The data folder {folder} is open to other users and holds other things, such as {others[0]}: "
            "choose one of its own, or close it with chmod 700."
        )
    folder.chmod(PRIVATE_FOLDER)


def _close(path: Path, most: int) -> None:
    """Never through a link, and never what is not ours: both may be somebody's intention."""
    status = path.lstat()
    if not stat.S_ISLNK(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
        path.chmod(most)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, never half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text)
    draft.replace(path)


def kept_password(folder: Path) -> str:
    """Return the password in the folder's `password` file; made at first use."""
    path = folder / "password"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(24))
    return path.read_text()


def kept_port(folder: Path) -> int:
    """Return the port of last time, so that URLs stay stable over restarts; another one if it is taken now."""
    path = folder / "port"
    remembered = path.read_text().strip() if path.exists() else ""
    port = int(remembered) if remembered.isdecimal() and len(remembered) <= len(str(MAX_PORT)) else 0
    if not 0 < port <= MAX_PORT or not is_free(LOOPBACK, port):
        port = pick_port()
        write_secret(path, f"{port}\n")
    return port


def is_free(host: str, port: int) -> bool:
    """Tell whether a server may listen there now; raises OSError for an address that is not ours."""
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
    """Return a free port; it is ours only once a server listens on it."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
