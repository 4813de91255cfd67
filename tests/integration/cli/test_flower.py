"""`celeriac flower` as a process: closed to whoever has no login, to pages of other sites and under other names."""

from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.flower_process import Flower, flower_beside

READS = ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/task/types")
EVIL = "http://evil.example"


def send(flower: Flower, **headers: str) -> int:
    return flower.ask("/api/task/send-task/celeriac.echo", method="POST", known=True, **headers).status_code


@pytest.fixture(scope="module")
def flower(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """Started as an operator who trusts an old hint would: with the open API asked for."""
    folder = tmp_path_factory.mktemp("flower")
    with flower_beside(folder, f"{valkey_server}/0", FLOWER_UNAUTHENTICATED_API="true") as found:
        yield found


@pytest.mark.parametrize("path", READS)
def test_nothing_is_shown_without_the_login(flower: Flower, path: str) -> None:
    assert flower.ask(path, known=False).status_code == 401
    assert flower.ask(path).status_code == 200


def test_nothing_is_run_without_the_login(flower: Flower) -> None:
    refused = flower.ask("/api/task/send-task/celeriac.echo", method="POST", known=False)
    shut_down = flower.ask("/api/worker/shutdown/worker-1@vm", method="POST", known=False)
    assert (refused.status_code, shut_down.status_code) == (401, 401)
    assert send(flower) == 200


@pytest.mark.parametrize("credentials", ["", "Basic", "Basic !", "Basic Og==", "Basic Y2VsZXJpYWM6", "Bearer x"])
def test_no_empty_login_opens_it(flower: Flower, credentials: str) -> None:
    assert flower.ask("/api/workers", known=False, Authorization=credentials).status_code == 401


def test_a_page_of_another_site_gets_nothing_with_the_login_that_a_browser_remembers(flower: Flower) -> None:
    for path in READS:
        assert flower.ask(path, Origin=EVIL).status_code == 403, path
        assert flower.ask(path, Sec_Fetch_Site="cross-site").status_code == 403, path
        assert flower.ask(path, Sec_Fetch_Site="same-site", Sec_Fetch_Dest="iframe").status_code == 403, path
    assert send(flower, Origin=EVIL) == 403
    assert send(flower, Origin="null") == 403
    assert send(flower, Sec_Fetch_Site="same-site") == 403


def test_a_name_that_was_pointed_here_gets_nothing(flower: Flower) -> None:
    port = httpx.URL(flower.url).port
    for path in (*READS, "/healthcheck", "/static/css/flower.css"):
        assert flower.ask(path, Host=f"evil.example:{port}").status_code == 421, path
    assert send(flower, Host=f"evil.example:{port}", Origin=f"{EVIL}:{port}") == 421
    assert send(flower, Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200


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
