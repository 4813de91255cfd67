"""A Redis with TLS, a unix socket and users of its own, or one that a sentinel knows, where a program that can do TLS
is installed.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import redis

from cli.embedded.files import pick_port
from tests.certificates import OPENSSL, Certificates, make_certificates
from tests.patience import wait_for

PASSWORD = "p/w:d@#%?&= x"
"""Of every user, with all that a URL has to encode."""


@cache
def secure_program() -> str | None:
    """A server that was built with TLS; the embedded Valkey is not."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and OPENSSL and _speaks_tls(found):
            return found
    return None


class SecuredRedis:
    """It lets nobody in without a certificate and a user."""

    def __init__(self, folder: Path) -> None:
        self.certificates: Certificates = make_certificates(folder / "certificates")
        self.port = pick_port()
        self._folder = folder
        self._socket = folder / "socket"

    def by_tls(self, user: str, db: int, *, authority: str = "ca.crt", client: str | None = "client") -> str:
        """The URL over TCP."""
        file = self.certificates.file
        query = {"ssl_ca_certs": file(authority), "ssl_cert_reqs": "CERT_REQUIRED"}
        if client:
            query |= {"ssl_certfile": file(f"{client}.crt"), "ssl_keyfile": file(f"{client}.key")}
        told = "&".join(f"{name}={value}" for name, value in query.items())
        return f"rediss://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{db}?{told}"

    def by_socket(self, user: str, db: int) -> str:
        return f"redis+socket://{user}:{quote(PASSWORD, safe='')}@{self._socket}?virtual_host={db}"

    def admin(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._socket), password=PASSWORD, decode_responses=True)

    def let_in(self, users: Mapping[str, str]) -> None:
        """Users by name, with what they may do in the words of `ACL SETUSER`."""
        with self.admin() as client:
            for name, rights in users.items():
                client.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *rights.split())

    def denied(self) -> list[str]:
        """What was asked for and not allowed, as `user: command or key`."""
        with self.admin() as client:
            return sorted({f"{entry['username']}: {entry['object']}" for entry in client.acl_log()})

    def command(self) -> list[str]:
        files = {
            "--tls-cert-file": "server.crt",
            "--tls-key-file": "server.key",
            "--tls-ca-cert-file": "ca.crt",
        }
        tls = [text for option, name in files.items() for text in (option, str(self.certificates.file(name)))]
        options = ["--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1", "--tls-auth-clients", "yes"]
        kept = ["--dir", str(self._folder), "--save", "", "--unixsocket", str(self._socket)]
        return [str(secure_program()), *options, *tls, *kept, "--requirepass", PASSWORD]


@contextmanager
def secured_redis(folder: Path) -> Iterator[SecuredRedis]:
    """It answers."""
    server = SecuredRedis(folder)
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or _answers(server), "Redis answers")
        if process.poll() is not None:
            raise RuntimeError((folder / "redis.log").read_text()[-2000:])
        yield server
    finally:
        process.terminate()
        process.wait()


class SecuredSentinel:
    """A master and the one sentinel that knows it, both by TLS alone and with a client's certificate."""

    MASTER = "fleet"

    def __init__(self, folder: Path) -> None:
        self.certificates = make_certificates(folder / "certificates")
        self._folder = folder
        self._server, self._sentinel = pick_port(), pick_port()

    def url(self, db: int) -> str:
        """As Celery has it: without what its transport options say of the master."""
        query = urlencode(self._as_client())
        return f"sentinel://:{quote(PASSWORD, safe='')}@127.0.0.1:{self._sentinel}/{db}?{query}"

    def options(self, **other: str) -> dict[str, object]:
        """Those transport options; `other` is how to speak to the sentinel, where it differs."""
        return {"master_name": self.MASTER, "sentinel_kwargs": {"ssl": True, **self._as_client(), **other}}

    def commands(self) -> list[list[str]]:
        """The server's and the sentinel's, which writes its own file."""
        file = self.certificates.file
        lines = ["bind 127.0.0.1", f"dir {self._folder}", "port 0", "tls-auth-clients yes", "tls-replication yes"]
        lines += [f"tls-{name}-file {file(f'server.{end}')}" for name, end in (("cert", "crt"), ("key", "key"))]
        lines += [f"tls-ca-cert-file {file('ca.crt')}"]
        server = [f"tls-port {self._server}", 'save ""', f'requirepass "{PASSWORD}"']
        sentinel = [
            f"tls-port {self._sentinel}",
            f"sentinel monitor {self.MASTER} 127.0.0.1 {self._server} 1",
            f'sentinel auth-pass {self.MASTER} "{PASSWORD}"',
        ]
        for name, own in (("server", server), ("sentinel", sentinel)):
            (self._folder / f"{name}.conf").write_text("\n".join([*lines, *own]) + "\n")
        program = str(secure_program())
        return [
            [program, str(self._folder / "server.conf")],
            [program, str(self._folder / "sentinel.conf"), "--sentinel"],
        ]

    def answers(self) -> bool:
        """Whether the sentinel is there and has seen its master."""
        file = self.certificates.file
        told: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(file("ca.crt")), **self._as_client()}
        try:
            with redis.Redis(port=self._sentinel, **told) as client:
                state: Any = client.sentinel_master(self.MASTER)
                return "disconnected" not in state["flags"] and bool(state["info-refresh"])
        except redis.RedisError:
            return False

    def _as_client(self) -> dict[str, str]:
        file = self.certificates.file
        files = {"ssl_ca_certs": "ca.crt", "ssl_certfile": "client.crt", "ssl_keyfile": "client.key"}
        return {name: str(file(of)) for name, of in files.items()}


@contextmanager
def secured_sentinel(folder: Path) -> Iterator[SecuredSentinel]:
    """It answers."""
    found = SecuredSentinel(folder)
    with ExitStack() as stack:
        for command in found.commands():
            log = stack.enter_context((folder / "redis.log").open("ab"))
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        wait_for(found.answers, "the sentinel knows its master")
        yield found


def _answers(server: SecuredRedis) -> bool:
    try:
        with server.admin() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _speaks_tls(program: str) -> bool:
    """Debian's is linked to OpenSSL."""
    return b"libssl.so" in Path(program).read_bytes()
