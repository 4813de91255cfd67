"""The thread that keeps a worker alive in Redis, and the forks of its pool."""

import os
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celeriac_worker import life_thread
from celeriac_worker.gate import GateUnreachableError
from celeriac_worker.life_thread import LIFE_SECONDS, LifeThread


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


class KeptNode:
    """Keeps what it was told to do; Redis is away while `away`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.away = False
        self.gate = SimpleNamespace(
            say_goodbye=lambda *, forget_pause: self._tell(f"goodbye, forget_pause={forget_pause}"),
            close=lambda: self.told.append("closed"),
        )

    def show_life(self) -> None:
        self._tell("life")

    def write_down_ends(self) -> None:
        self._tell("ends")

    def _tell(self, what: str) -> None:
        if self.away:
            raise GateUnreachableError("ConnectionError")
        self.told.append(what)


def life_of(node: KeptNode) -> LifeThread:
    return LifeThread(cast(Any, node))


def test_life_is_shown_every_two_seconds_and_ends_are_told_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    node = KeptNode()
    life = life_of(node)
    for _ in range(3):
        life.run_once()
        now += LIFE_SECONDS / 2
    assert node.told == ["life", "ends", "ends", "life", "ends"]


def test_life_that_redis_did_not_take_is_shown_in_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1_000.0)
    node = KeptNode()
    life = life_of(node)
    node.away = True
    with pytest.raises(GateUnreachableError):
        life.run_once()
    node.away = False
    life.run_once()
    assert node.told == ["life", "ends"]


@pytest.mark.parametrize("forget_pause", [True, False])
def test_at_the_end_ends_are_told_before_the_goodbye_and_only_once(forget_pause: bool) -> None:
    node = KeptNode()
    life = life_of(node)
    life.stop(forget_pause=forget_pause)
    life.stop(forget_pause=not forget_pause)
    assert node.told == ["ends", f"goodbye, forget_pause={forget_pause}", "closed"]


def test_a_goodbye_that_redis_does_not_hear_is_said_and_the_connections_are_closed_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = KeptNode()
    node.away = True
    life_of(node).stop(forget_pause=False)
    assert node.told == ["closed"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "Redis does not answer (ConnectionError): this worker counts as alive for up to 10 s."


def test_a_round_that_failed_leaves_the_way_free_for_forks_and_for_the_next() -> None:
    node = KeptNode()
    node.away = True
    with pytest.raises(GateUnreachableError):
        life_of(node).run_once()
    assert not life_thread._round.locked()


def _runs_once(node: SlowNode) -> bool:
    LifeThread(cast(Any, node)).run_once()
    return node.answered


def _fork_and_ask(question: Any) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if question() else 1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0
