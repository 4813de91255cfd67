"""Deaths of threads and tasks within the processes of a whole stack, and of the processes: health, alert, restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.acceptance.stack import Stack, running
from tests.patience import wait_for

KILLER = Path(__file__).parent / "killer"
PARTS = (
    ("mirror", "gateway-events"),
    ("loops", "dispatch"),
    ("api", "submission-batcher"),
    ("mirror", "mirror-2"),
    ("loops", "watchdog"),
)
"""Of each kind one, in turns: an alert of the same process must have been resolved before.

That nothing is started in another way, `tests/architecture` holds.
"""
EXIT_CODE = "exit code 70"


class Watched:
    """A stack in whose processes single parts can be ended."""

    def __init__(self, stack: Stack, orders: Path) -> None:
        self.stack = stack
        self._orders = orders

    def end_part(self, process: psutil.Process, name: str) -> None:
        """Obeyed by `killer/sitecustomize.py`, which runs in each process of the stack."""
        draft = self._orders / f"{process.pid}.draft"
        draft.write_text(name)
        draft.rename(self._orders / str(process.pid))

    def unhealthy(self) -> set[str]:
        """The parts that `/health` says are not well; the API itself, where that does not answer."""
        try:
            checks = self.stack.client.get("/health").json()["checks"]
        except httpx.TransportError:
            return {"api"}
        return {name for name, condition in checks.items() if condition != "healthy"}

    def alerts(self, subject: str) -> list[dict[str, Any]]:
        """All that were raised for a process of ours, the newest first, once somebody answers."""
        query = {"type": "COMPONENT_DOWN", "include_resolved": "true"}
        answer = wait_for(lambda: self._answer("/alerts", query))
        return [alert for alert in answer.json()["data"] if alert["subject"] == subject]

    def _answer(self, path: str, query: dict[str, str]) -> httpx.Response | None:
        try:
            answer = self.stack.client.get(path, params=query)
        except httpx.TransportError:
            return None
        return answer if answer.is_success else None

    def settle(self, name: str) -> int:
        """How many alerts there were for it, once all is well: one still open would take up the next end."""
        wait_for(lambda: not self.unhealthy())
        wait_for(lambda: all(alert["resolved_at"] for alert in self.alerts(name)))
        return len(self.alerts(name))

    def wait_until_told(self, name: str, old_pid: int, *, told_before: int) -> None:
        """By health, by a restart and by an alert."""
        wait_for(lambda: name in self.unhealthy())
        wait_for(lambda: self.is_back(name, old_pid))
        wait_for(lambda: len(self.alerts(name)) > told_before)
        assert self.alerts(name)[0]["description"] == f"Process {name} ended without being asked to"

    def is_back(self, name: str, old_pid: int) -> bool:
        try:
            return self.stack.child(name).pid != old_pid
        except (LookupError, psutil.Error):
            return False


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    orders = tmp_path_factory.mktemp("orders")
    environment: dict[str, Any] = {"PYTHONPATH": str(KILLER), "CELERIAC_TEST_ORDERS": str(orders)}
    with running(tmp_path_factory.mktemp("watched"), **environment) as stack:
        yield Watched(stack, orders)


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_part_that_dies_is_seen_told_and_started_again(watched: Watched, name: str, part: str) -> None:
    told = watched.settle(name)
    ends = watched.stack.errors().count(f"celeriac: {name} ended ({EXIT_CODE})")
    victim = watched.stack.child(name)
    watched.end_part(victim, part)
    watched.wait_until_told(name, victim.pid, told_before=told)
    assert watched.stack.errors().count(f"celeriac: {name} ended ({EXIT_CODE})") == ends + 1
    assert f'"part":"{part}"' in watched.stack.errors()


@pytest.mark.parametrize("name", ["mirror", "loops", "api"])
def test_a_killed_process_is_seen_told_and_started_again(watched: Watched, name: str) -> None:
    told = watched.settle(name)
    victim = watched.stack.child(name)
    victim.kill()
    watched.wait_until_told(name, victim.pid, told_before=told)
    watched.settle(name)


def test_the_keeper_of_a_worker_begins_anew_and_the_worker_goes_on(watched: Watched) -> None:
    wait_for(lambda: not watched.unhealthy())
    worker = watched.stack.child("worker")
    watched.end_part(worker, "celeriac-keeper")
    wait_for(lambda: "What keeps this worker alive in Redis failed" in watched.stack.errors())
    assert watched.stack.wait_for_end(watched.stack.submit("celeriac.add", 2, 3))["result"] == 5
    assert watched.stack.child("worker").pid == worker.pid
