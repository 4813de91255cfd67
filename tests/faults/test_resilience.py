"""What readers of a whole stack meet while Postgres is frozen."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.acceptance.stack import Stack, running
from tests.patience import wait_for

FROZEN_SECONDS = 20
PAUSE_SECONDS = 0.1


def test_marked_return_cached_readers_do_not_notice_that_postgres_is_frozen(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        task_id = stack.submit("celeriac.add", 1, 2)
        stack.wait_for_end(task_id)
        paths = ["/tasks?limit=10", f"/tasks/{task_id}", "/workers"]
        known = {path: stack.client.get(path).json() for path in paths}
        mark = {"service_name": "database", "strategy": "return_cached", "duration_seconds": 3600}
        assert stack.client.post("/resilience/degradation/mark", json=mark).status_code == 200
        with Readers(stack, [*paths, "/health", "/resilience/summary"]) as readers:
            with frozen_postgres(stack):
                time.sleep(FROZEN_SECONDS)
                summary = stack.client.get("/resilience/summary").json()
            while_frozen = {path: list(answers) for path, answers in readers.answers.items()}
        assert all(answer.elapsed.total_seconds() < 2 for answers in while_frozen.values() for answer in answers)
        for path in paths:
            assert len(while_frozen[path]) > FROZEN_SECONDS
            for answer in while_frozen[path]:
                assert (answer.status_code, answer.json()) == (200, known[path])
                assert answer.headers["warning"].startswith("110 ")
            ages = [int(answer.headers["age"]) for answer in while_frozen[path]]
            assert ages == sorted(ages)
            assert ages[-1] >= FROZEN_SECONDS - 1
        assert {answer.status_code for answer in while_frozen["/health"]} == {200, 503}
        assert summary["degradation"]["services"] == ["database"]
        assert summary["resilience_score"] < 100
        assert {"name": "database", "status": "unhealthy"}.items() <= summary["components"][0].items()
        stack.client.post("/resilience/degradation/clear", json={"service_name": "database"})
        wait_for(stack.is_healthy)
        assert "warning" not in stack.client.get("/tasks?limit=10").headers
        assert stack.wait_for_end(stack.submit("celeriac.add", 2, 3))["result"] == 5


class Readers:
    """One thread for each path, asking again and again; every answer is kept."""

    def __init__(self, stack: Stack, paths: list[str]) -> None:
        self.answers: dict[str, list[httpx.Response]] = {path: [] for path in paths}
        self._base_url = f"{stack.url}/api/v1"
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(path,)) for path in paths]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _read(self, path: str) -> None:
        with httpx.Client(base_url=self._base_url, timeout=30) as client:
            while not self._stopping.wait(PAUSE_SECONDS):
                self.answers[path].append(client.get(path))


@contextmanager
def frozen_postgres(stack: Stack) -> Iterator[None]:
    """The server first, so that it starts no more children, and then all that it has."""
    server = stack.child("postgres")
    server.suspend()
    stopped = [server]
    try:
        for child in server.children(recursive=True):
            child.suspend()
            stopped.append(child)
        yield
    finally:
        for process in reversed(stopped):
            try:
                process.resume()
            except psutil.NoSuchProcess:
                continue
