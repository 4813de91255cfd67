"""A RabbitMQ for a drill or a test, where the program is installed: all on loopback, all in one folder."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
from kombu import Connection

from bench.stack import free_ports

# As root the wrapper on PATH would change to the user `rabbitmq`, who cannot write to its folder.
PROGRAMS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
START_SECONDS = 180
STOP_SECONDS = 30


def rabbitmq_program() -> str | None:
    """Return the path of the server, if there is one."""
    return next((found for program in PROGRAMS if (found := shutil.which(program))), None)


class RabbitMQ:
    """A broker on a port of its own; what is durable outlives a kill."""

    def __init__(self, folder: Path, *, settings: str = "") -> None:
        self._ports = free_ports(3)
        self._environment = _environment(folder, self._ports, settings=settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL of its first user."""
        return f"amqp://guest:guest@127.0.0.1:{self._ports[0]}//"

    def url_of(self, user: str, password: str, *, host: str) -> str:
        """Return the URL of another user, and of a virtual host of its own."""
        return f"amqp://{user}:{quote(password, safe='')}@127.0.0.1:{self._ports[0]}/{quote(host, safe='')}"

    def add_user(self, user: str, password: str, *, host: str, rights: list[str]) -> None:
        """Add a user with a virtual host, who may configure, write and read just this there; guest may do all.

        In one order: each takes two seconds, of which Erlang needs most to start.
        """
        shown = ", ".join(_binary(text) for text in (user, host, *rights, "test"))
        orders = (
            f"rabbit_vhost:add({_binary(host)}, {_binary('test')})",
            f"rabbit_auth_backend_internal:add_user({_binary(user)}, {_binary(password)}, {_binary('test')})",
            f"rabbit_auth_backend_internal:set_permissions({shown})",
            "rabbit_auth_backend_internal:set_permissions("
            f"{_binary('guest')}, {_binary(host)}, {', '.join([_binary('.*')] * 3)}, {_binary('test')})",
        )
        program = str(Path(str(rabbitmq_program())).with_name("rabbitmqctl"))
        node = self._environment["RABBITMQ_NODENAME"]
        subprocess.run(
            [program, "--erlang-cookie", "test", "--node", node, "eval", f"{', '.join(orders)}."],
            env=self._environment,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._process = subprocess.Popen(
            [str(rabbitmq_program())],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_until_ready(self.url, self._process)

    def kill(self) -> None:
        """Kill the server; what is durable is there at the next start."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop the server, if it runs."""
        assert self._process is not None
        if self._process.poll() is None:
            _stop(self._process)
        _stop_mapper(self._ports[2])


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty broker; its port mapper is stopped with it."""
    with rabbitmq_server(folder) as server:
        yield server.url


@contextmanager
def rabbitmq_server(folder: Path, *, settings: str = "") -> Iterator[RabbitMQ]:
    """Yield an empty broker, for those who kill it or have lines of their own for its `rabbitmq.conf`."""
    server = RabbitMQ(folder, settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _binary(text: str) -> str:
    """Return the text as Erlang writes it."""
    return "<<" + ",".join(str(byte) for byte in text.encode()) + ">>"


def _environment(folder: Path, ports: Sequence[int], *, settings: str) -> dict[str, str]:
    port, distribution_port, mapper_port = ports
    for name, text in (("env.conf", ""), ("rabbitmq.conf", settings), ("plugins", "[].")):
        (folder / name).write_text(text)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -setcookie test",
    }


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    # A client that logs in: while the node boots, an open port may still close what it accepts.
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with Connection(url, connect_timeout=5) as client, suppress(*client.connection_errors):
            client.connect()
            return
        time.sleep(0.1)
    raise RuntimeError("RabbitMQ did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _stop_mapper(mapper_port: int) -> None:
    # `epmd -daemon` has left the session; we know it by the port that only we gave out.
    for mapper in psutil.process_iter(["name", "environ"]):
        environment = mapper.info["environ"] or {}
        if mapper.info["name"] == "epmd" and environment.get("ERL_EPMD_PORT") == str(mapper_port):
            mapper.kill()
