"""The API on servers that fail: breakers that open and close by themselves, marks that all processes share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from settings import Settings
from store.migrate import migrate
from tests.embedded import postgres
from tests.integration.api.serving import serving
from tests.integration.api.test_health import (
    frozen,
    give_signs_of_life,
    hear_a_worker,
    processes_of_postgres,
)
from tests.patience import PATIENCE_SECONDS, wait_for

SUMMARY = "/api/v1/resilience/summary"
TASKS = "/api/v1/tasks"
BODY = {"task_name": "celeriac.add", "task_args": [1, 2]}


def ask(url: str, path: str) -> httpx.Response:
    return httpx.get(url + path, timeout=PATIENCE_SECONDS)


def submit(url: str) -> httpx.Response:
    return httpx.post(url + TASKS, json=BODY, timeout=PATIENCE_SECONDS)


def mark(url: str, service_name: str, *, strategy: str) -> int:
    body = {"service_name": service_name, "strategy": strategy}
    return httpx.post(f"{url}/api/v1/resilience/degradation/mark", json=body, timeout=PATIENCE_SECONDS).status_code


def summary(url: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(url, SUMMARY).json()
    return found


def is_degraded(url: str, *services: str) -> Callable[[], bool]:
    return lambda: summary(url)["degradation"]["services"] == list(services)


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {component["name"]: component["status"] for component in found["components"]}


def test_a_frozen_database_opens_the_breaker_and_everything_is_answered_at_once(
    settings: Settings, tmp_path: Path
) -> None:
    with postgres(tmp_path) as server:
        migrate(server)
        own = settings.model_copy(update={"database_url": server})
        with serving(own) as url:
            known = ask(url, TASKS).json()
            with frozen(processes_of_postgres(server)):
                # In the middle of it: this read waits for the breaker, not for the database.
                assert ask(url, TASKS).headers["warning"].startswith("110 ")
                wait_for(is_degraded(url, "database"))
                found = summary(url)
                assert found["degradation"]["marks"] == [
                    {"service_name": "database", "strategy": "return_cached", "degraded_until": None, "automatic": True}
                    | dict.fromkeys(("set_at", "set_by", "set_by_name", "reason"))
                ]
                assert found["mirror"] == {"lag_seconds": None, "gaps_24h": None}
                answers = [ask(url, TASKS), ask(url, f"{TASKS}?limit=7"), submit(url)]
                assert [answer.status_code for answer in answers] == [200, 503, 503]
                assert answers[0].json() == known
                assert {answer.json()["code"] for answer in answers[1:]} == {"SERVICE_DEGRADED"}
                assert all(answer.elapsed.total_seconds() < 1 for answer in answers)
            wait_for(is_degraded(url))
            fresh = ask(url, TASKS)
            assert (fresh.status_code, "warning" in fresh.headers) == (200, False)
            assert submit(url).status_code == 201


def test_without_a_broker_work_is_taken_and_the_summary_says_that_it_is_kept(settings: Settings) -> None:
    hear_a_worker(settings)
    give_signs_of_life(settings)
    with serving(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})) as url:
        wait_for(is_degraded(url, "broker"))
        found = summary(url)
        assert found["degradation"]["marks"][0]["strategy"] == "queue_only"
        assert statuses(found)["broker"] == "unhealthy"
        assert found["system_health"] == {"components_total": 5, "healthy": 4, "unhealthy": 1}
        assert found["resilience_score"] == 80.0
        assert submit(url).status_code == 201
        # What is down already is not degraded by a mark, and counts once.
        for service_name in ("broker", "workers"):
            assert mark(url, service_name, strategy="queue_only") == 200
        found = summary(url)
        assert (statuses(found)["broker"], statuses(found)["workers"]) == ("unhealthy", "degraded")
        assert (found["system_health"]["healthy"], found["resilience_score"]) == (3, 60.0)


def test_a_component_tells_why_it_is_not_well(settings: Settings) -> None:
    with serving(settings) as url:
        found = summary(url)
    details = {component["name"]: component["detail"] for component in found["components"]}
    assert details["workers"] == "no worker is online"
    assert details["mirror"] == "no mirror gives a sign of life"
    assert details["database"] is None
    assert found["mirror"] == {"lag_seconds": None, "gaps_24h": 0}
    assert found["resilience_score"] == 60.0


def test_a_mark_set_in_one_process_is_obeyed_by_another_and_its_kept_answers_too(settings: Settings) -> None:
    with serving(settings) as one, serving(settings) as other:
        known = ask(one, TASKS).json()
        assert mark(one, "database", strategy="return_cached") == 200
        wait_for(is_degraded(other, "database"))
        stale = ask(other, TASKS)
        assert (stale.json(), stale.headers["warning"][:4]) == (known, "110 ")


def test_without_redis_nothing_can_be_marked_and_everything_else_goes_on(settings: Settings) -> None:
    with serving(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/2"})) as url:
        assert mark(url, "database", strategy="fail_fast") == 503
        assert ask(url, TASKS).status_code == 200
        assert summary(url)["degradation"]["services"] == []
