"""The keeper of a worker, and the forks of its pool."""

import os
import threading
from typing import Any, cast

from celeriac_worker.keeper import Keeper


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
    keeper = threading.Thread(target=Keeper(cast(Any, node)).run_once)
    keeper.start()
    assert node.asked.wait(timeout=10)
    threading.Timer(0.1, node.answer.set).start()
    assert _fork_and_ask(lambda: node.answered)
    keeper.join()


def test_a_round_runs_after_a_fork_on_both_sides() -> None:
    node = SlowNode()
    node.answer.set()
    assert _fork_and_ask(lambda: _runs_once(node))
    assert _runs_once(node)


def _runs_once(node: SlowNode) -> bool:
    Keeper(cast(Any, node)).run_once()
    return node.answered


def _fork_and_ask(question: Any) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if question() else 1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0
