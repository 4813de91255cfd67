"""The thread that keeps a worker alive in Redis, and the forks of its pool."""

import os
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celeriac_worker.life_thread import LifeThread


class SlowNode:
    """Redis answers only after `answer` was set."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.answered = False

    def show_life(self) -> None:
        self.asked.set()
        assert self.answer.wait(timeout=10)
        self.answered = True

    def write_down_ends(self) -> None:
        pass


def test_a_pool_process_is_not_forked_in_the_midst_of_a_round() -> None:
    node = SlowNode()
    keeping = threading.Thread(target=LifeThread(cast(Any, node)).run_once)
    keeping.start()
    assert node.asked.wait(timeout=10)
    threading.Timer(0.1, node.answer.set).start()
    assert _fork_and_ask(lambda: node.answered)
    keeping.join()


def test_a_round_runs_after_a_fork_on_both_sides() -> None:
    node = SlowNode()
    node.answer.set()
    assert _fork_and_ask(lambda: _runs_once(node))
    assert _runs_once(node)


class NoError(BaseException):
    """Nothing that goes on after an ordinary error goes on after this."""


class FailingNode:
    """Fails once in each of these ways."""

    def __init__(self, *errors: BaseException) -> None:
        self._errors = list(errors)
        self.kept_alive = threading.Event()
        self.gate = SimpleNamespace(say_goodbye=lambda **_: None, close=lambda: None)

    def show_life(self) -> None:
        if self._errors:
            raise self._errors.pop()
        self.kept_alive.set()

    def write_down_ends(self) -> None:
        pass


def test_the_thread_outlives_whatever_fails_says_so_and_its_host_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    errors = [ValueError("odd"), MemoryError(), RecursionError(), SystemExit(1), NoError()]
    node = FailingNode(*errors)
    kept = LifeThread(cast(Any, node), again_seconds=0.01)
    kept.start()
    assert node.kept_alive.wait(timeout=10)
    kept.stop(forget_pause=False)
    assert not kept._thread.is_alive()
    told = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert told == [type(error) for error in reversed(errors)]


def _runs_once(node: SlowNode) -> bool:
    LifeThread(cast(Any, node)).run_once()
    return node.answered


def _fork_and_ask(question: Any) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if question() else 1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0
