"""pytest-celery's containers as plain processes of this machine, for where no Docker engine answers.

Only what its nodes and clusters call on a container is here; all above (celery_setup, clusters, app) stays stock.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_celery import CeleryTestContainer, CeleryWorkerContainer, RedisContainer

from cli.embedded.valkey import prepare_valkey
from tests.patience import wait_for

STOP_SECONDS = 20


class ProcessContainer(CeleryTestContainer):  # type: ignore[misc]
    """A process with the life of a container: killed with all its children, started again with the same command."""

    def __init__(self, name: str, argv: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        # super() wants a container of Docker's; there is none.
        self._name = name
        self._argv = list(argv)
        self._folder = folder
        self._environment = dict(environment)
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_began = 0
        self._start()

    @property
    def name(self) -> str:
        return self._name

    @property
    def id(self) -> str:
        return self._name

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Config": {"Hostname": self._name}}

    @property
    def status(self) -> str:
        return "running" if self._process is not None and self._process.poll() is None else "exited"

    def logs(self) -> str:
        return self._log.read_text()

    def ready(self) -> bool:
        """Waits for the line that says so, of this start and not of an earlier one."""

        def has_said_so() -> bool:
            assert self.status == "running", self.logs()[-3000:]
            return str(self.ready_prompt) in self.logs()[self._log_began :]

        return wait_for(has_said_so, f"{self.name} is ready")

    def kill(self, signal: str | int = "SIGKILL") -> None:
        self._signal(signal)
        assert self._process is not None
        self._process.wait(STOP_SECONDS)

    def restart(self, timeout: float = STOP_SECONDS) -> None:
        self.stop()
        self._start()
        self.ready()

    def exec_run(self, command: Sequence[str]) -> tuple[int, bytes]:
        """Exit code and output of a command run beside it."""
        done = subprocess.run(command, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def reload(self) -> None:
        """Nothing is cached here."""

    def stop(self) -> None:
        """Politely, then surely; no process is left."""
        if self.status == "running":
            self._signal("SIGTERM")
            try:
                assert self._process is not None
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def teardown(self) -> None:
        self.stop()

    def _start(self) -> None:
        self._log.touch()
        self._log_began = len(self.logs())
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._folder,
                env=os.environ | self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _signal(self, name: str | int) -> None:
        """The kill of a container ends every process in it; only SIGTERM is for the first one alone."""
        number = getattr(signal, name) if isinstance(name, str) else name
        assert self._process is not None
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)


class LocalValkey(ProcessContainer, RedisContainer):  # type: ignore[misc]
    """Keeps its data over a restart."""

    def __init__(self, name: str, folder: Path) -> None:
        self._server = prepare_valkey(folder, durable=True)
        super().__init__(name, self._server.command, folder=folder, environment={})

    @property
    def celeryconfig(self) -> dict[str, Any]:
        url = f"{self._server.url}/0"
        return {"url": url, "host_url": url, "hostname": "127.0.0.1", "port": self._server.port, "vhost": "0"}


class LocalWorker(ProcessContainer, CeleryWorkerContainer):  # type: ignore[misc]
    """A worker in a folder that holds the same files as a container's volume."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        content: Mapping[str, bytes],
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        for path, text in content.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text)
        argv = [sys.executable, "-m", *(argument.replace("%h", name) for argument in command)]
        super().__init__(name, argv, folder=folder, environment={**environment, "PYTHONPATH": str(folder)})
