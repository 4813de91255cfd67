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
QUEUE = {"queue_name": "mail", "waiting": 40}
ANSWERS: dict[str, Json] = {
    "/me": {"queues": [], "task_names": []},
    "/health": {"status": "unhealthy"},
    "/alerts": {"data": [{"row": 1}]},
    "/resilience/summary": {"components": []},
    "/analytics/trends": {
        "series": [MINUTE, LATEST],
        "by_task": [{"task_name": name, "failed": failed} for name, failed in (("a", 1), ("b", 0), ("c", 5))],
    },
    "/analytics/failures": {"groups": [{"row": 5}]},
    "/workflows": {"data": [{"row": 6}]},
    "/dashboard/stats": {"tasks_completed": 100, "tasks_failed": 10},
    "/queues": {"data": [QUEUE]},
    "/dashboard/workers": {"data": [{"row": 3}]},
    "/tasks": {"data": [{"row": 4}], "total": 9},
}
QUICK = ["/dashboard/stats", "/dashboard/workers", "/queues", "/tasks"]


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
        [QUEUE],
        [{"row": 3}],
    )
    assert (it.running, it.running_count) == ([{"row": 4}], 9)
    assert it.failures == [{"row": 5}]
    assert reader.refused == ""


def test_later_ones_have_rates_of_the_last_minute_and_ask_for_little(fleet: Fleet, clock: Clock) -> None:
    reader, asked, answers = fleet
    reader.read()
    asked.clear()
    clock.now += 2
    answers["/dashboard/stats"] = {"tasks_completed": 103, "tasks_failed": 11}
    it = reader.read()
    # Two seconds tell nothing.
    assert (it.done_per_minute, it.failed_percent) == (8.0, 20.0)
    assert asked == QUICK
    clock.now += 58
    it = reader.read()
    assert (it.done_per_minute, it.failed_percent) == (3.0, 25.0)
    clock.now += 60
    # All of it ended longer than a minute ago.
    it = reader.read()
    assert (it.done_per_minute, it.failed_percent) == (0.0, None)
    assert len(asked) == 3 * len(QUICK) + 14


def test_what_the_key_may_not_see_is_left_out_and_said(fleet: Fleet, clock: Clock) -> None:
    reader, _, answers = fleet
    answers |= {"/dashboard/stats": 403, "/analytics/trends": 403}
    it = reader.read()
    assert (it.stats, it.mean_wait, it.done_per_minute, it.failed_percent) == (None, None, None, None)
    assert it.queues == [QUEUE]
    assert it.refused == reader.refused == "/analytics/trends is not for you"
    answers |= ANSWERS
    clock.now += 2
    # What is asked for seldom is not there yet.
    assert reader.read().refused == "/analytics/trends is not for you"
    clock.now += 10
    assert reader.read().refused == ""


def test_a_key_with_limits_is_known_by_what_the_api_says_of_it(fleet: Fleet, clock: Clock) -> None:
    reader, _, answers = fleet
    assert not reader.read().is_partial
    answers["/me"] = {"queues": ["mail"], "task_names": []}
    clock.now += 10
    assert reader.read().is_partial


def test_where_nothing_but_the_health_is_told_that_is_an_error(fleet: Fleet) -> None:
    reader, _, answers = fleet
    answers |= {path: 401 for path in answers if path != "/health"}
    with pytest.raises(CliError, match="is not for you"):
        reader.read()
    answers["/dashboard/stats"] = httpx.ConnectError("refused")
    with pytest.raises(NotReachable):
        reader.read()


def test_who_was_drained_is_read_only_where_a_worker_is_not_there(fleet: Fleet, clock: Clock) -> None:
    reader, _, answers = fleet
    assert reader.read().fleet is None
    answers["/dashboard/workers"] = {"data": [{"status": "OFFLINE"}]}
    answers["/workers"] = {"data": [{"row": 7}]}
    clock.now += 30
    it = reader.read()
    assert (it.fleet, it.offline) == ([{"row": 7}], 1)


def test_where_a_queue_goes_is_known_from_two_looks(fleet: Fleet, clock: Clock) -> None:
    reader, _, answers = fleet
    assert reader.read().drifts == {}
    told = []
    for seconds, waiting in ((5, 30), (10, 20), (50, 20), (50, None)):
        clock.now += seconds
        answers["/queues"] = {"data": [QUEUE | {"waiting": waiting}]}
        told.append(reader.read().drifts)
    # Too near; then of 15 s; then of the minute; then it is not told how much waits.
    assert told == [{}, {"mail": -80.0}, {"mail": -10.0}, {}]
