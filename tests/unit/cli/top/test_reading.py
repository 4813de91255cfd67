from typing import Any

import httpx
import pytest

from cli.client import Client, NotReachable
from cli.errors import CliError
from cli.top.reading import Reader

Json = dict[str, Any]
MINUTE = {"bucket": "2026-11-26T11:59:00Z", "completed": 8, "failed": 2, "average_wait_seconds": 0.5}
LATEST = MINUTE | {"bucket": "2026-11-26T12:00:00Z", "completed": 4, "failed": 1, "average_wait_seconds": None}
HALF_PAST = 1_795_694_430.0
"""12:00:30: these two minutes have lasted 90 s."""
ANSWERS: dict[str, Json] = {
    "/health": {"status": "unhealthy"},
    "/alerts": {"data": [{"row": 1}]},
    "/resilience/summary": {"components": []},
    "/analytics/trends": {
        "series": [MINUTE, LATEST],
        "by_task": [{"task_name": name, "failed": failed} for name, failed in (("a", 1), ("b", 0), ("c", 5))],
    },
    "/analytics/failures": {"groups": [{"row": 5}]},
    "/dashboard/stats": {"tasks_completed": 100, "tasks_failed": 10},
    "/queues": {"data": [{"row": 2}]},
    "/dashboard/workers": {"data": [{"row": 3}]},
    "/tasks": {"data": [{"row": 4}], "total": 9},
}
QUICK = ["/dashboard/stats", "/queues", "/dashboard/workers", "/tasks"]


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cli.top.reading.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("cli.top.reading.time.time", lambda: HALF_PAST)
    return clock


Fleet = tuple[Reader, list[str], dict[str, Json | int | Exception]]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Fleet:
    """A reader, what it has asked for, and what it is answered."""
    asked: list[str] = []
    answers: dict[str, Json | int | Exception] = {**ANSWERS}

    def handle(_: object, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        asked.append(path)
        answer = answers[path]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, json={"detail": f"{path} is not for you"}, request=request)
        return httpx.Response(503 if path == "/health" else 200, json=answer, request=request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    return Reader(Client("http://h")), asked, answers


def test_the_first_look_has_rates_of_the_last_two_minutes(fleet: Fleet) -> None:
    reader, _, _ = fleet
    it = reader.read()
    assert (it.done_per_minute, it.failed_percent, it.mean_wait) == (8.0, 20.0, 0.5)
    assert (it.health, it.alerts, it.queues, it.workers) == (
        {"status": "unhealthy"},
        [{"row": 1}],
        [{"row": 2}],
        [{"row": 3}],
    )
    assert (it.running, it.running_count) == ([{"row": 4}], 9)
    assert it.failures == [{"row": 5}]
    assert reader.refused == ""


def test_later_ones_have_rates_of_the_last_seconds_and_ask_for_little(fleet: Fleet, clock: Clock) -> None:
    reader, asked, answers = fleet
    reader.read()
    asked.clear()
    clock.now += 2
    answers["/dashboard/stats"] = {"tasks_completed": 103, "tasks_failed": 11}
    it = reader.read()
    assert (it.done_per_minute, it.failed_percent) == (90.0, 25.0)
    assert asked == QUICK
    clock.now += 20
    reader.read()
    clock.now += 10
    # Not before the one that is 30 s old, of which nothing is left.
    it = reader.read()
    assert (it.done_per_minute, it.failed_percent) == (0.0, None)
    assert len(asked) == 3 * len(QUICK) + 10


def test_what_the_key_may_not_see_is_left_out_and_said(fleet: Fleet) -> None:
    reader, _, answers = fleet
    answers |= {"/dashboard/stats": 403, "/analytics/trends": 403}
    it = reader.read()
    assert (it.stats, it.mean_wait, it.done_per_minute, it.failed_percent) == (None, None, None, None)
    assert it.queues == [{"row": 2}]
    assert reader.refused == "/analytics/trends is not for you"


def test_where_nothing_is_told_that_is_an_error(fleet: Fleet) -> None:
    reader, _, answers = fleet
    answers |= dict.fromkeys(answers, 401)
    with pytest.raises(CliError, match="is not for you"):
        reader.read()
    answers["/dashboard/stats"] = httpx.ConnectError("refused")
    with pytest.raises(NotReachable):
        reader.read()
