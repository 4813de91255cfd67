"""`celeriac flower` as a process: closed to whoever has no login, to pages of other sites and under other names."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from cli.embedded.files import pick_port
from cli.flower_login import USER, password_file
from tests.patience import wait_for

ROOT = Path(__file__).parents[3]
START_SECONDS = 60
READS = ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/task/types")
EVIL = "http://evil.example"


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

    def send(self, **headers: str) -> int:
        return self.ask("/api/task/send-task/celeriac.echo", method="POST", known=True, **headers).status_code


@pytest.fixture(scope="module")
def flower(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """Started as an operator who trusts an old hint would: with the open API asked for."""
    folder = tmp_path_factory.mktemp("flower")
    port, log, data = pick_port(), folder / "flower.log", folder / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CELERIAC_", "FLOWER_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workers")]),
        "FLOWER_UNAUTHENTICATED_API": "true",
        "CELERIAC_BROKER_URL": f"{valkey_server}/0",
        "CELERIAC_FLOWER_PORT": str(port),
        "CELERIAC_DATA": str(data),
    }
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


@pytest.mark.parametrize("path", READS)
def test_nothing_is_shown_without_the_login(flower: Flower, path: str) -> None:
    assert flower.ask(path, known=False).status_code == 401
    assert flower.ask(path).status_code == 200


def test_nothing_is_run_without_the_login(flower: Flower) -> None:
    refused = flower.ask("/api/task/send-task/celeriac.echo", method="POST", known=False)
    shut_down = flower.ask("/api/worker/shutdown/worker-1@vm", method="POST", known=False)
    assert (refused.status_code, shut_down.status_code) == (401, 401)
    assert flower.send() == 200


@pytest.mark.parametrize("credentials", ["", "Basic", "Basic !", "Basic Og==", "Basic Y2VsZXJpYWM6", "Bearer x"])
def test_no_empty_login_opens_it(flower: Flower, credentials: str) -> None:
    assert flower.ask("/api/workers", known=False, Authorization=credentials).status_code == 401


def test_a_page_of_another_site_gets_nothing_with_the_login_that_a_browser_remembers(flower: Flower) -> None:
    for path in READS:
        assert flower.ask(path, Origin=EVIL).status_code == 403, path
        assert flower.ask(path, Sec_Fetch_Site="cross-site").status_code == 403, path
        assert flower.ask(path, Sec_Fetch_Site="same-site", Sec_Fetch_Dest="iframe").status_code == 403, path
    assert flower.send(Origin=EVIL) == 403
    assert flower.send(Origin="null") == 403
    assert flower.send(Sec_Fetch_Site="same-site") == 403


def test_a_name_that_was_pointed_here_gets_nothing(flower: Flower) -> None:
    port = httpx.URL(flower.url).port
    for path in (*READS, "/healthcheck", "/static/css/flower.css"):
        assert flower.ask(path, Host=f"evil.example:{port}").status_code == 421, path
    assert flower.send(Host=f"evil.example:{port}", Origin=f"{EVIL}:{port}") == 421
    assert flower.send(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200


def test_no_answer_may_be_framed_or_read_by_others(flower: Flower) -> None:
    for path, known in (
        ("/tasks", True),
        ("/tasks", False),
        ("/metrics", True),
        ("/no/such/page", True),
        ("/healthcheck", False),
    ):
        headers = flower.ask(path, known=known).headers
        assert headers["x-frame-options"] == "DENY", path
        assert headers["content-security-policy"] == "frame-ancestors 'none'", path
        assert not [name for name in headers if name.startswith("access-control")], path


def test_the_password_is_on_no_command_line_and_in_no_log(flower: Flower) -> None:
    flower.ask("/tasks")
    assert flower.password not in " ".join(psutil.Process(flower.process.pid).cmdline())
    assert flower.password not in flower.log.read_text()
    assert "FLOWER_UNAUTHENTICATED_API is not obeyed" in flower.log.read_text()
