"""What a whole stack does when it is stopped, and when its parts are killed."""

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from tests.acceptance.stack import LOST_SECONDS, Stack, running
from tests.patience import PATIENCE_SECONDS, moments, wait_for

CHILDREN = ("api", "mirror", "loops", "worker", "flower", "valkey", "postgres")


@dataclass(frozen=True, slots=True)
class Restart:
    """A stack that was stopped in the middle of work and started again, and what was seen of it before."""

    stack: Stack
    ended: str
    queued: list[str]
    exit_code: int
    left_running: list[psutil.Process]


@pytest.fixture(scope="module")
def restart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restart]:
    with running(tmp_path_factory.mktemp("restarted"), flower=True) as stack:
        wait_for(stack.is_healthy)
        ended = stack.submit("celeriac.add", 1, 1)
        stack.wait_for_end(ended)
        queued = [stack.submit("celeriac.sleep", 0.3) for _ in range(20)]
        processes = psutil.Process(stack.pid).children(recursive=True)
        exit_code = stack.stop(signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
        stack.start()
        yield Restart(stack, ended, queued, exit_code, alive)
        assert stack.stop(signal.SIGINT) == 0


def test_history_and_queued_tasks_survive_a_restart_and_none_runs_twice(restart: Restart) -> None:
    stack = restart.stack
    assert stack.task(restart.ended)["result"] == 2
    for task_id in restart.queued:
        task = stack.wait_for_end(task_id, seconds=LOST_SECONDS)
        assert task["status"] == "COMPLETED"
        assert stack.events(task_id).count("started") == 1
        assert stack.timeline(task_id)["complete"] is True


def test_nothing_is_left_running_after_a_stop(restart: Restart) -> None:
    assert (restart.exit_code, restart.left_running) == (0, [])


def test_processes_that_end_in_order_raise_nothing(restart: Restart) -> None:
    stack = restart.stack
    wait_for(stack.is_healthy)
    # The loops look whom they miss 3 s after their start; this task is handed out by a round after that.
    stack.wait_for_end(stack.submit("celeriac.sleep", 5), seconds=LOST_SECONDS)
    found = stack.client.get("/alerts", params={"type": "COMPONENT_DOWN", "include_resolved": "true"})
    assert found.json()["data"] == []


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("harmed"), flower=True) as stack:
        yield stack


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_comes_back_and_the_next_task_completes(harmed: Stack, name: str) -> None:
    wait_for(harmed.is_healthy)
    victim = harmed.child(name)
    victim.kill()
    if name in ("api", "postgres"):  # until then a submission is refused, and says so
        wait_for(lambda: _is_back(harmed, name, old_pid=victim.pid))
        wait_for(harmed.is_healthy)
    task_id = harmed.submit("celeriac.add", 2, 3)
    wait_for(lambda: _is_back(harmed, name, old_pid=victim.pid))
    wait_for(lambda: harmed.is_healthy())
    task = harmed.wait_for_end(task_id, seconds=LOST_SECONDS)
    assert (task["status"], task["result"]) == ("COMPLETED", 5)


def _is_back(stack: Stack, name: str, *, old_pid: int) -> bool:
    try:
        return stack.child(name).pid != old_pid
    except (LookupError, psutil.Error):
        return False


def test_submissions_go_on_while_valkey_is_frozen_and_complete_afterwards(harmed: Stack) -> None:
    wait_for(harmed.is_healthy)
    valkey = harmed.child("valkey")
    valkey.suspend()
    thaw = threading.Timer(10, valkey.resume)
    thaw.start()
    try:
        accepted = _submit_for(harmed, seconds=10)
    finally:
        thaw.join()
    assert len(accepted) >= 20
    for task_id in accepted:
        assert harmed.wait_for_end(task_id, seconds=LOST_SECONDS)["status"] == "COMPLETED"


def test_submissions_go_on_while_valkey_is_killed_again_and_again(harmed: Stack) -> None:
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.3):
            try:
                harmed.child("valkey").kill()
            except (LookupError, psutil.Error):
                continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        accepted = _submit_for(harmed, seconds=10)
    finally:
        stop.set()
        killer.join()
    for task_id in accepted:
        assert harmed.wait_for_end(task_id, seconds=LOST_SECONDS)["status"] == "COMPLETED"


def _submit_for(stack: Stack, *, seconds: float) -> list[str]:
    accepted: list[str] = []
    for _ in moments(seconds, every=0.1):
        accepted.append(stack.submit("celeriac.add", len(accepted), 1))
    return accepted
