"""A Valkey master, its replica and the sentinels that watch them, on loopback in one folder: for those who kill."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.exceptions import RedisError

from cli.embedded.files import pick_port
from cli.embedded.valkey import valkey_binary

MASTER = "fleet"
PASSWORD = "p/w:d@#%?&= x"
"""The password of the servers, with every character that a URL has to encode."""
SENTINEL_PASSWORD = "s/e:n@#%?&="
DOWN_MS = 1000
"""Silence after which sentinels think that a master is gone."""
START_SECONDS = 30
STOP_SECONDS = 10


class Sentinels:
    """Three sentinels, a master and a replica."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        ports: set[int] = set()
        while len(ports) < 5:
            ports.add(pick_port())
        self.servers, self.sentinels = sorted(ports)[:2], sorted(ports)[2:]

    @property
    def hosts(self) -> str:
        """Return what a URL has before its last `/`."""
        user = f":{quote(PASSWORD, safe='')}@"
        return ";".join(f"sentinel://{user}127.0.0.1:{port}" for port in self.sentinels)

    def url(self, db: int) -> str:
        """Return the URL as Celery has it: without the name of the master."""
        return ";".join(f"{host}/{db}" for host in self.hosts.split(";"))

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a Celeriac whose broker, results and own keys are all there."""
        urls = {"BROKER": self.url(0), "RESULT": self.url(1), "REDIS": self.url(2)}
        options = {"CELERIAC_BROKER_TRANSPORT_OPTIONS": json.dumps(self.options)}
        return {f"CELERIAC_{name}_URL": url for name, url in urls.items()} | options

    @property
    def options(self) -> Mapping[str, object]:
        """Return the transport options that belong to it."""
        return {"master_name": MASTER, "sentinel_kwargs": {"password": SENTINEL_PASSWORD}}

    def start(self) -> None:
        """Start all and wait until all agree."""
        first, second = self.servers
        self._serve(first)
        self._serve(second, replica_of=first)
        self._wait(lambda: self.client(first).info("replication")["connected_slaves"] == 1)
        for port in self.sentinels:
            self._watch(port, master=first)
        # A sentinel that does not know the others elects nobody.
        self._wait(lambda: all(self._knows_all(port) for port in self.sentinels))

    @property
    def master(self) -> int:
        """Return the port of the master that the sentinels agree on."""
        addresses: list[Any] = [
            self._sentinel(port).sentinel_get_master_addr_by_name(MASTER) for port in self.sentinels
        ]
        found = {port for _, port in addresses}
        return int(found.pop()) if len(found) == 1 else 0

    def kill_master(self) -> int:
        """Kill the master and return its port; what it alone knew is gone."""
        port = self.master
        self._processes[port].send_signal(signal.SIGKILL)
        self._processes.pop(port).wait()
        return port

    def wait_for_other_master(self, port: int) -> int:
        """Return the port of the one that was made the master after this one."""
        self._wait(lambda: self.master not in (0, port) and self.client(self.master).info()["role"] == "master")
        return self.master

    def start_again(self, port: int) -> None:
        """Start the server of this port again; the sentinels make a replica of it."""
        self._serve(port)

    def stop(self) -> None:
        """Stop all that run."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def client(self, port: int) -> redis.Redis:
        """Return a client of one server itself."""
        return redis.Redis(port=port, password=PASSWORD, socket_timeout=5)

    def _sentinel(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, password=SENTINEL_PASSWORD, socket_timeout=5)

    def _knows_all(self, port: int) -> bool:
        with self._sentinel(port) as client:
            state = client.sentinel_master(MASTER)
        return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)

    def _serve(self, port: int, *, replica_of: int | None = None) -> None:
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f'requirepass "{PASSWORD}"',
            f'masterauth "{PASSWORD}"',
            "appendonly no",
            'save ""',
            "repl-diskless-sync-delay 0",
            *([f"replicaof 127.0.0.1 {replica_of}"] if replica_of else []),
        ]
        self._run(port, lines)

    def _watch(self, port: int, *, master: int) -> None:
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {self._folder}",
            f'requirepass "{SENTINEL_PASSWORD}"',
            f"sentinel monitor {MASTER} 127.0.0.1 {master} 2",
            f'sentinel auth-pass {MASTER} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        self._run(port, lines, "--sentinel")

    def _run(self, port: int, lines: list[str], *options: str) -> None:
        file = self._folder / f"{port}.conf"
        file.write_text("\n".join(lines) + "\n")
        with (self._folder / f"{port}.log").open("ab") as log:
            command = [str(valkey_binary()), str(file), *options]
            self._processes[port] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._wait(lambda: self._answers(port))

    def _answers(self, port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True

    def _wait(self, holds: object) -> None:
        assert callable(holds)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(RedisError, OSError):
                if holds():
                    return
            time.sleep(0.05)
        raise RuntimeError("the sentinels and their servers did not come to what was waited for")


@contextmanager
def sentinels(folder: Path) -> Iterator[Sentinels]:
    """Yield all of them once all agree."""
    found = Sentinels(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
