"""docker-compose.yml starts what it says: every service of ours, against servers that run on their own."""

import signal
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.stack import free_ports
from cli.embedded.files import kept_port, make_folder, write_secret
from cli.embedded.valkey import ValkeyServer
from tests.acceptance.compose import Services, interpolate, our_services, read_compose_file, services
from tests.embedded import postgres, running
from tests.patience import wait_for

START_SECONDS = 90
ASKED_TO = {0, -signal.SIGTERM}
"""Exit codes of those that stop when asked; uvicorn passes the signal on when it has finished."""
VALKEY_PASSWORD = "only-for-this-test"
KEY = "a-key-that-may-write"


def test_the_services_of_the_file_run_a_task_together_and_stop_when_asked(tmp_path: Path) -> None:
    with (
        postgres(tmp_path / "postgres") as database_url,
        running(lambda: _valkey(tmp_path / "valkey"), tmp_path / "valkey.log") as valkey,
    ):
        database = urlsplit(database_url)
        api_port, flower_port = free_ports(2)
        moved = {
            "@postgres:5432/": f"@127.0.0.1:{database.port}/",
            "@valkey:6379/": f"@127.0.0.1:{valkey.port}/",
            "0.0.0.0": "127.0.0.1",
            "8000": str(api_port),
            "5555": str(flower_port),
        }
        variables = _variables(POSTGRES_PASSWORD=str(database.password))
        with services(_folder(tmp_path / "work"), variables=variables, moved=moved) as compose:
            started = _start_all(compose)
            _runs_a_task(f"http://127.0.0.1:{api_port}/api/v1")
            codes = compose.stop()
            assert codes.keys() == set(started)
            assert set(codes.values()) <= ASKED_TO, codes


def _start_all(compose: Services) -> list[str]:
    """Migrations first; returns the names of the services that stay, once all with a health check are healthy."""
    ours = our_services(read_compose_file())
    assert compose.run("migrate") == 0, compose.output("migrate")
    lasting = [name for name in ours if name != "migrate"]
    for name in lasting:
        compose.start(name)
    for name in (name for name in lasting if "healthcheck" in ours[name]):
        wait_for(partial(compose.is_healthy, name), seconds=START_SECONDS)
    return lasting


def _runs_a_task(url: str) -> None:
    body = {"task_name": "celeriac.add", "task_args": [20, 22]}
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        assert client.post("/tasks", json=body).status_code == 401
        client.headers["Authorization"] = f"Bearer {KEY}"
        wait_for(lambda: client.get("/health").json()["status"] == "healthy", seconds=START_SECONDS)
        task = client.post("/tasks", params={"async": "false"}, json=body).json()
        assert (task["status"], task["result"]) == ("COMPLETED", 42)


def _variables(**more: str) -> dict[str, str]:
    return {
        "POSTGRES_PASSWORD": "x",
        "VALKEY_PASSWORD": VALKEY_PASSWORD,
        "CELERIAC_API_KEYS": f"{KEY},a-key-that-may-read:read",
        "CELERIAC_FLOWER_BASIC_AUTH": "operator:a-password-of-this-test",
    } | more


def _valkey(folder: Path) -> ValkeyServer:
    """A Valkey with the very configuration of the file; only its folder and its port are ours."""
    make_folder(folder)
    content = interpolate(read_compose_file()["configs"]["valkey"]["content"], _variables())
    assert "dir /data\n" in content
    server = ValkeyServer(folder.absolute() / "valkey.conf", kept_port(folder), VALKEY_PASSWORD)
    ours = f"dir {folder.absolute()}\nbind 127.0.0.1\nport {server.port}\n"
    write_secret(server.config, content.replace("dir /data\n", ours))
    return server


def _folder(folder: Path) -> Path:
    folder.mkdir()
    return folder
