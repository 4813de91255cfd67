"""A Redis with TLS, a unix socket and users of its own, where a program that can do TLS is installed."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

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


def _answers(server: SecuredRedis) -> bool:
    try:
        with server.admin() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _speaks_tls(program: str) -> bool:
    """Debian's is linked to OpenSSL."""
    return b"libssl.so" in Path(program).read_bytes()
