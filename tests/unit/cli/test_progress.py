"""How a task is followed: what is shown of it, how often it is asked for, and when it is given up."""

from itertools import pairwise
from typing import Any

import httpx
import pytest

from cli import progress, workflow_tree
from cli.client import Client, NotReachable
from cli.errors import CliError
from tests.unit.cli.apis import Api, answering

AWAY = httpx.ConnectError("refused")


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (progress, workflow_tree):
        monkeypatch.setattr(module, "time", clock)
    return clock


def task(status: str, **more: object) -> tuple[int, object]:
    return 200, {"task_id": "t", "status": status, **more}


def followed(monkeypatch: pytest.MonkeyPatch, *answers: Any, quiet: bool = True) -> tuple[dict[str, Any], Api]:
    with answering(monkeypatch, *answers) as api, Client("http://api.test") as client:
        return progress.follow(client, "t", quiet=quiet), api


def test_it_is_asked_for_ever_more_seldom_and_every_second_in_the_end(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    followed(monkeypatch, *[task("RUNNING")] * 20, task("COMPLETED"))
    assert clock.slept[0] == 0.1
    assert all(later >= earlier for earlier, later in pairwise(clock.slept))
    assert max(clock.slept) == 1.0
    assert len(clock.slept) == 20


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED"])
def test_an_end_is_an_end_once_its_result_is_there(monkeypatch: pytest.MonkeyPatch, clock: Clock, status: str) -> None:
    answers = [task(status, result_pending=True), task(status, result_pending=False, result=1)]
    found, api = followed(monkeypatch, *answers)
    assert (found["result"], len(api.asked)) == (1, 2)


def test_each_change_is_shown_once_on_stderr_and_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        task("PENDING", phase="waiting\x1b[2J"),
        task("PENDING", phase="waiting\x1b[2J"),
        task("RUNNING", phase=None),
        task("COMPLETED"),
    ]
    followed(monkeypatch, *answers, quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["t: PENDING waiting\\u001b[2J", "t: RUNNING", "t: COMPLETED"]


def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    followed(monkeypatch, task("RUNNING"), task("COMPLETED"))
    assert capsys.readouterr() == ("", "")


def test_an_api_may_be_away_for_half_a_minute_again_and_again(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    found, _ = followed(monkeypatch, *[AWAY] * 25, task("RUNNING"), *[AWAY] * 25, task("COMPLETED"))
    assert found["status"] == "COMPLETED"


@pytest.mark.parametrize("module", [progress, workflow_tree])
def test_an_api_that_stays_away_longer_is_given_up(monkeypatch: pytest.MonkeyPatch, clock: Clock, module: Any) -> None:
    with (
        answering(monkeypatch, AWAY),
        Client("http://api.test") as client,
        pytest.raises(NotReachable, match="No answer from"),
    ):
        module.follow(client, "t", quiet=True)
    assert 30.0 < clock.now - 1_000.0 < 32.0


@pytest.mark.parametrize("module", [progress, workflow_tree])
def test_what_the_api_refuses_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, module: Any
) -> None:
    with (
        answering(monkeypatch, (404, {"detail": "Not found"})) as api,
        Client("http://api.test") as client,
        pytest.raises(CliError, match=r"^Not found$"),
    ):
        module.follow(client, "t", quiet=True)
    assert (len(api.asked), clock.slept) == (1, [])


def workflow(status: str) -> tuple[int, object]:
    step: dict[str, object] = {
        "id": "a",
        "task_name": "shop.pay",
        "status": "RUNNING",
        "depends_on": [],
        "duration_seconds": None,
        "error": None,
    }
    body = {"workflow_id": "w", "name": "n", "status": status, "steps": [step], "step_count": 1, "unfinished_steps": 1}
    return 200, body


def test_a_workflow_is_asked_for_twice_a_second_until_its_end(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    answers: list[Any] = [workflow("RUNNING"), AWAY, workflow("RUNNING"), workflow("FAILED")]
    with answering(monkeypatch, *answers) as api, Client("http://api.test") as client:
        assert workflow_tree.follow(client, "w", quiet=True)["status"] == "FAILED"
    assert (clock.slept, len(api.asked)) == ([0.5] * 3, 4)
