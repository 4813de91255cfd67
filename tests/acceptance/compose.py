"""docker-compose.yml without Docker: its services of ours as plain processes, with the environment that it gives them.

What it cannot show: that the image builds, and that the images of Postgres and Valkey start.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
ENTRYPOINT = [sys.executable, "-m", "cli"]
HEALTH_SECONDS = 20
STOP_SECONDS = 60

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


def read_compose_file() -> dict[str, Any]:
    """As written, with anchors and merges resolved."""
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(COMPOSE_FILE)
    return read


def our_services(compose: Mapping[str, Any]) -> dict[str, Any]:
    """Those of our image."""
    return {name: service for name, service in compose["services"].items() if service["image"].startswith("celeriac:")}


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$` replaced, as compose does."""
    if isinstance(value, Mapping):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    return _VARIABLE.sub(lambda found: _value_of(found, variables), value) if isinstance(value, str) else value


def _value_of(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    given = variables.get(found["name"], "")
    if not given and found["kind"] == "?":
        raise KeyError(f"{found['name']}: {found['rest']}")
    return given or (found["rest"] or "" if found["kind"] == "-" else "")


class Services:
    """Services of ours, already interpolated; `moved` says where what they name really is on this machine."""

    def __init__(self, services: Mapping[str, Any], folder: Path, *, moved: Mapping[str, str]) -> None:
        self._services = services
        self._folder = folder
        self._moved = moved
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str) -> int:
        """Exit code of a service that ends by itself."""
        self.start(name)
        return self._processes.pop(name).wait(STOP_SECONDS)

    def start(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*ENTRYPOINT, *self._services[name]["command"]],
                cwd=self._folder,
                env=self._environment(name),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_healthy(self, name: str) -> bool:
        """What its health check says; a service that has ended is an error."""
        code = self._processes[name].poll()
        assert code is None, f"{name} ended with {code}:\n{self.output(name)[-3000:]}"
        kind, *words = self._services[name]["healthcheck"]["test"]
        words = [self._move(word) for word in words]
        checked = subprocess.run(
            words if kind == "CMD" else ["/bin/sh", "-c", *words],
            cwd=self._folder,
            env=self._environment(name),
            capture_output=True,
            timeout=HEALTH_SECONDS,
            check=False,
        )
        return checked.returncode == 0

    def stop(self) -> dict[str, int]:
        """Asks all to stop, as compose does; exit codes by service. A second time does nothing more."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(STOP_SECONDS) for name, process in self._processes.items()}
        self._processes.clear()
        return codes

    def kill(self) -> None:
        """Leaves nothing behind, whatever happened."""
        for process in self._processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def output(self, name: str) -> str:
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _environment(self, name: str) -> dict[str, str]:
        """Nothing of the test's own environment but where programs are: a container has nothing else either."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        told = self._services[name].get("environment", {})
        # A key without a value is passed on where it is set, and here nothing is.
        given = {key: self._move(str(value)) for key, value in told.items() if value is not None}
        return {"PATH": path, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'workers'}"} | given

    def _move(self, text: str) -> str:
        """In one pass: what was moved once may look like something else that is to be moved."""
        return re.sub("|".join(map(re.escape, self._moved)), lambda found: self._moved[found[0]], text)


@contextmanager
def services(folder: Path, *, variables: Mapping[str, str], moved: Mapping[str, str]) -> Iterator[Services]:
    """None is started yet; none is left at the end."""
    running = Services(interpolate(our_services(read_compose_file()), variables), folder, moved=moved)
    try:
        yield running
    finally:
        running.kill()
