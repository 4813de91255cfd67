"""Alerts of a whole running system: what goes wrong is told once, and taken back when it is well again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import psycopg
import pytest
import redis

from domain.redis_keys import STREAM_KEY
from tests.acceptance.stack import Stack, running
from tests.patience import PATIENCE_SECONDS, wait_for


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """For tests that look at alerts and rules of their own alone."""
    with running(tmp_path_factory.mktemp("alerts")) as stack:
        yield stack


@pytest.fixture(scope="module")
def frozen_before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("freezable")) as stack:
        yield stack


@pytest.fixture
def freezable(frozen_before: Stack) -> Stack:
    """Well again, with its usual rules, and with nothing told of it before."""
    wait_for(frozen_before.is_healthy)
    with psycopg.connect(frozen_before.database_url) as connection:
        connection.execute("truncate alerts, alert_rules")
    return frozen_before


def change_rules(stack: Stack, **rules: dict[str, Any]) -> None:
    body = {"rules": [{"type": kind} | values for kind, values in rules.items()]}
    assert stack.client.put("/alerts/rules", json=body).status_code == 200


def find(stack: Stack, kind: str, **parameters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.client.get("/alerts", params={"type": kind} | parameters).json()["alerts"]
    return found


def told(stack: Stack, kind: str) -> dict[str, Any]:
    """The one alert of this kind, as soon as it is open."""
    (alert,) = wait_for(lambda: find(stack, kind))
    return alert


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """Stops a process and its children, as a machine that hangs does."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for member in family:
            member.send_signal(signal.SIGCONT)


def test_a_worker_that_hangs_is_told_once_and_taken_back_when_it_is_heard_again(freezable: Stack) -> None:
    change_rules(freezable, NO_ACTIVE_WORKERS={"for_seconds": 5}, TASKS_NOT_PICKED_UP={"threshold": 5})
    kinds = ("WORKER_OFFLINE", "NO_ACTIVE_WORKERS", "TASKS_NOT_PICKED_UP")
    (worker,) = freezable.client.get("/workers").json()["workers"]
    # Of a node that was never more than a name in events, nothing is told.
    wait_for(lambda: freezable.is_described(worker["hostname"]))
    assert not any(find(freezable, kind) for kind in kinds)
    with frozen(freezable.child("worker")):
        task_id = freezable.submit("celeriac.add", 1, 2)
        offline, nobody, waiting = (told(freezable, kind) for kind in kinds)
        assert (offline["subject"], offline["severity"]) == (worker["hostname"], "WARNING")
        assert (nobody["subject"], nobody["severity"], nobody["value"]) == (None, "CRITICAL", 0)
        assert waiting["subject"] == "celery"
        acknowledged = freezable.client.post(f"/alerts/{offline['alert_id']}/acknowledge").json()
        assert acknowledged["acknowledged"] is True
        # Further looks see it again and raise nothing.
        wait_for(lambda: find(freezable, "WORKER_OFFLINE")[0]["value"] > offline["value"])
        assert find(freezable, "TASKS_NOT_PICKED_UP")[0]["description"].endswith("; no online worker consumes it")
    assert freezable.wait_for_end(task_id)["result"] == 3
    wait_for(lambda: not any(find(freezable, kind) for kind in kinds))
    for kind in kinds:
        (past,) = find(freezable, kind, include_resolved="true")
        assert past["resolved_at"] > past["created_at"]


def test_a_worker_that_is_killed_and_started_again_is_told_and_stays_in_its_history(freezable: Stack) -> None:
    (worker,) = freezable.client.get("/workers").json()["workers"]
    wait_for(lambda: freezable.is_described(worker["hostname"]))
    freezable.child("worker").kill()
    alert = told(freezable, "WORKER_OFFLINE")
    assert alert["description"] == f"Worker {worker['hostname']} ended without a goodbye, and was started again"
    path = f"/workers/{worker['worker_id']}/history"
    entries = [entry["event"] for entry in freezable.client.get(path).json()["data"]]
    assert entries[:2] == ["online", "vanished"]
    assert "online" in entries[2:], "the life before is not forgotten"
    wait_for(lambda: not find(freezable, "WORKER_OFFLINE"))


def test_failures_and_a_queue_that_nobody_consumes_are_told(stack: Stack) -> None:
    change_rules(
        stack,
        HIGH_FAILURE_RATE={"minimum_tasks": 4, "for_seconds": 0},
        HIGH_QUEUE_DEPTH={"threshold": 2, "for_seconds": 0},
        STUCK_TASKS={"threshold": 1},
    )
    ended = [stack.submit("celeriac.fail", "no such order") for _ in range(2)]
    ended += [stack.submit("celeriac.add", 1, 2) for _ in range(2)]
    for task_id in ended:
        stack.wait_for_end(task_id)
    wait_for(lambda: find(stack, "HIGH_FAILURE_RATE"))
    assert find(stack, "HIGH_FAILURE_RATE")[0]["value"] == 50

    slow = [stack.submit("celeriac.sleep", 30) for _ in range(12)]
    wait_for(lambda: find(stack, "STUCK_TASKS") and find(stack, "HIGH_QUEUE_DEPTH"))
    assert find(stack, "STUCK_TASKS")[0]["subject"] == "celeriac.sleep"
    assert find(stack, "HIGH_QUEUE_DEPTH")[0]["subject"] == "celery"
    for task_id in slow:
        stack.client.post(f"/tasks/{task_id}/cancel")


def unread(valkey: redis.Redis) -> bool:
    """Whether the stream holds what no mirror was given; the read that a frozen one waits in is still served once."""
    (group,) = valkey.xinfo_groups(STREAM_KEY)
    return bool(valkey.xinfo_stream(STREAM_KEY)["last-generated-id"] != group["last-delivered-id"])


def test_a_stretch_that_the_mirror_missed_is_told_until_its_rule_is_switched_off(stack: Stack) -> None:
    """What workers with the plugin tell waits for the mirror, so it is thrown away while the mirror stands still."""
    with redis.Redis.from_url(stack.addresses.redis_url) as valkey:
        with frozen(stack.child("mirror")):
            wait_for(lambda: unread(valkey))
            valkey.xtrim(STREAM_KEY, maxlen=0, approximate=False)
        missed = told(stack, "EVENTS_MISSED")
    assert missed["severity"] == "INFO"
    assert 0 < missed["value"] < PATIENCE_SECONDS
    change_rules(stack, EVENTS_MISSED={"enabled": False})
    wait_for(lambda: not find(stack, "EVENTS_MISSED"))


def test_a_broker_that_hangs_is_told_and_no_worker_is_blamed_for_it(freezable: Stack) -> None:
    change_rules(freezable, DISPATCH_STALLED={"threshold": 5}, WORKER_OFFLINE={"for_seconds": 0})
    frozen_at = datetime.now(UTC)
    with frozen(freezable.child("valkey")):
        task_id = freezable.submit("celeriac.add", 1, 2)
        wait_for(lambda: len(find(freezable, "COMPONENT_DOWN")) == 3)
        down = find(freezable, "COMPONENT_DOWN")
        assert {alert["subject"] for alert in down} == {"broker", "redis", "result_backend"}
        assert [alert["subject"] for alert in find(freezable, "DISPATCH_STALLED")] == [None]
        # Long enough for a worker of which nothing is heard to count as silent.
        wait_for(lambda: min(alert["value"] for alert in find(freezable, "COMPONENT_DOWN")) > 20)
        thawed_at = datetime.now(UTC)
    assert freezable.wait_for_end(task_id)["result"] == 3
    kinds = ("COMPONENT_DOWN", "DISPATCH_STALLED")
    wait_for(lambda: not any(find(freezable, kind) for kind in kinds))
    wait_for(freezable.is_healthy)
    assert find(freezable, "WORKER_OFFLINE", include_resolved="true") == []
    for alert in find(freezable, "COMPONENT_DOWN", include_resolved="true"):
        began, raised, ended, resolved = (
            datetime.fromisoformat(alert[name]) for name in ("began_at", "created_at", "ended_at", "resolved_at")
        )
        assert frozen_at < began < raised < thawed_at < ended < resolved
        assert raised - began > timedelta(seconds=alert["threshold"])
