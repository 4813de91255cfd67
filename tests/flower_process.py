"""`celeriac flower` as a process of its own, with its login."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.embedded.files import pick_port
from cli.flower_login import USER, password_file
from tests.patience import wait_for

ROOT = Path(__file__).parents[1]
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Flower:
    url: str
    password: str
    log: Path
    process: subprocess.Popen[bytes]

    def ask(self, path: str, *, method: str = "GET", known: bool = True, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        login = (USER, self.password) if known else None
        return httpx.request(method, self.url + path, headers=named, auth=login, timeout=20, trust_env=False)


@contextmanager
def flower_beside(folder: Path, broker_url: str, **more: str) -> Iterator[Flower]:
    """It answers. `more` is environment."""
    port, log, data = pick_port(), folder / "flower.log", folder / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CELERIAC_", "FLOWER_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workers")]),
        "CELERIAC_BROKER_URL": broker_url,
        "CELERIAC_FLOWER_PORT": str(port),
        "CELERIAC_DATA": str(data),
    } | more
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "flower"], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: _answers(port, process, log=log), seconds=START_SECONDS)
        yield Flower(f"http://127.0.0.1:{port}", password_file(data).read_text(), log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _answers(port: int, process: subprocess.Popen[bytes], *, log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck", trust_env=False).text == "OK"
    except httpx.TransportError:
        return False
