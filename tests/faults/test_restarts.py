"""What a whole stack does when it is stopped, and when its parts are killed."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.stack import LOST_SECONDS, Stack, running
from tests.patience import moments, wait_for

pytestmark = pytest.mark.timeout(300)

CHILDREN = ("api", "mirror", "loops", "worker", "flower", "valkey", "postgres")


def test_history_and_queued_tasks_survive_a_restart_and_none_runs_twice(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        before = stack.submit("celeriac.add", 1, 1)
        stack.wait_for_end(before)
        queued = [stack.submit("celeriac.sleep", 0.3) for _ in range(20)]
        assert stack.stop() == 0
        stack.start()
        assert stack.task(before)["result"] == 2
        for task_id in queued:
            task = stack.wait_for_end(task_id, seconds=LOST_SECONDS)
            assert task["status"] == "COMPLETED"
            assert stack.events(task_id).count("started") == 1
            assert stack.timeline(task_id)["complete"] is True


def test_nothing_is_left_running_after_a_stop(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        processes = psutil.Process(stack.pid).children(recursive=True)
        assert stack.stop(signal.SIGTERM) == 0
        _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("harmed"), flower=True) as stack:
        yield stack


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_comes_back_and_the_next_task_completes(harmed: Stack, name: str) -> None:
    wait_for(harmed.is_healthy, seconds=60)
    victim = harmed.child(name)
    victim.kill()
    if name in ("api", "postgres"):  # until then a submission is refused, and says so
        wait_for(lambda: _is_back(harmed, name, old_pid=victim.pid), seconds=60)
        wait_for(harmed.is_healthy, seconds=60)
    task_id = harmed.submit("celeriac.add", 2, 3)
    wait_for(lambda: _is_back(harmed, name, old_pid=victim.pid))
    wait_for(lambda: harmed.is_healthy(), seconds=60)
    task = harmed.wait_for_end(task_id, seconds=LOST_SECONDS)
    assert (task["status"], task["result"]) == ("COMPLETED", 5)


def _is_back(stack: Stack, name: str, *, old_pid: int) -> bool:
    try:
        return stack.child(name).pid != old_pid
    except (LookupError, psutil.Error):
        return False


def test_submissions_go_on_while_valkey_is_frozen_and_complete_afterwards(harmed: Stack) -> None:
    wait_for(harmed.is_healthy, seconds=60)
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
