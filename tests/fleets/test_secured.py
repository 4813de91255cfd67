"""Broker by TLS with client certificates, results by a unix socket, our keys by TLS; each with a user that may no more
than docs/brokers.md lists: a task runs, is paused, cancelled and rescued, and nothing is asked for that is not allowed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import Stack, running
from tests.patience import wait_for
from tests.secured import SecuredRedis, secure_program, secured_redis
from tests.worker_process import WorkerProcess, celery_worker

pytestmark = pytest.mark.skipif(secure_program() is None, reason="no Redis with TLS is installed")
PAGE = Path(__file__).parents[2] / "docs" / "brokers.md"


@dataclass(frozen=True, slots=True)
class Secured:
    server: SecuredRedis
    stack: Stack
    worker: WorkerProcess


def rights() -> dict[str, str]:
    """By whose they are, as the page lists them for database 0."""
    rows = re.findall(r"^\| (broker|results|our keys|the plugin) \| `(.+?)` \|", PAGE.read_text(), re.MULTILINE)
    return {whose.split()[-1]: allowed.replace(r"\|", "|").replace("/0.", "/11.") for whose, allowed in rows}


def workers(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.client.get("/workers").json()["data"]
    return found


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with secured_redis(folder) as server:
        server.let_in(rights() | {"worker": "~* &* +@all"})
        urls: dict[str, Any] = {
            "CELERIAC_BROKER_URL": server.by_tls("broker", 11),
            "CELERIAC_RESULT_URL": server.by_socket("results", 1),
            "CELERIAC_REDIS_URL": server.by_tls("keys", 2),
        }
        theirs: dict[str, Any] = {"broker_url": server.by_tls("worker", 11), "result_url": server.by_tls("worker", 1)}
        keys = {"CELERIAC_REDIS_URL": server.by_socket("plugin", 2)}
        with (
            running(folder / "up", CELERIAC_WORKERS="0", **urls) as stack,
            celery_worker(folder, **theirs, environment=keys, answers=False) as worker,
        ):
            yield Secured(server, stack, worker)


def test_all_that_is_done_is_allowed_by_the_listed_rights(secured: Secured) -> None:
    stack = secured.stack
    done = stack.wait_for_end(stack.submit("celeriac.echo", 7))
    assert (done["status"], done["result"]["args"]) == ("COMPLETED", [7])
    worker = wait_for(lambda: next((row for row in workers(stack) if row["plugin"]), None))
    for order in ("pause", "resume"):
        assert stack.client.patch(f"/workers/{worker['worker_id']}/{order}").json()["converged"]
    runs, waits, unread = (stack.submit("celeriac.sleep", 60) for _ in range(3))
    wait_for(lambda: stack.task(runs)["status"] == "RUNNING")
    for task_id in (unread, waits, runs):
        stack.client.post(f"/tasks/{task_id}/cancel")
        assert stack.wait_for_end(task_id)["status"] == "CANCELLED"
    assert "SUCCESS" not in secured.worker.log.read_text()
    held = stack.submit("celeriac.sleep", 60)
    wait_for(lambda: stack.task(held)["status"] == "RUNNING")
    secured.worker.kill()
    wait_for(lambda: "lost" in stack.events(held))
    assert secured.server.denied() == []


def test_no_log_holds_the_password(secured: Secured) -> None:
    said = secured.stack.errors() + "".join(file.read_text() for file in (secured.stack.data / "logs").iterdir())
    assert "p%2Fw" not in said
    assert "p/w:d" not in said
