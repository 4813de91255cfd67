"""Names of queues at every door of the API, and what it tells of tasks that the broker refuses."""

from typing import Any

import httpx
import psycopg
import pytest
import redis
from sqlalchemy.ext.asyncio import AsyncEngine

from settings import Settings
from tests.integration.api.test_debug import finished, submitted
from tests.stored import add_undispatched, ago

ODD = ["high:priority", "acme/eu-west", "{app}:default", "mail queue", "übersetzung", "prio#1", "a,b&c=%2F?", "q" * 255]
KEYS = ["_kombu.binding.celery", "unacked", "celeryev", "celeriac:events", "celery\x06\x163", "ü" * 128, ""]
MARK = "/resilience/degradation/mark"
CLEAR = "/resilience/degradation/clear"


def task(queue_name: str) -> dict[str, Any]:
    return {"task_name": "t", "queue_name": queue_name}


def workflow(*queue_names: str) -> dict[str, Any]:
    return {"name": "w", "steps": [task(name) | {"id": f"s{n}"} for n, name in enumerate(queue_names)]}


def mark(queue_name: str) -> dict[str, Any]:
    return {"service_name": f"queue:{queue_name}", "strategy": "queue_only", "duration_seconds": 60}


def fields(answer: httpx.Response) -> list[str]:
    """Which fields were refused."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "VALIDATION_ERROR"
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_something_else_is_refused_at_every_door(api: httpx.Client, settings: Settings, name: str) -> None:
    assert fields(api.post("/tasks", json=task(name))) == ["queue_name"]
    assert fields(api.post("/tasks/batch", json={"tasks": [task("good"), task(name)]})) == ["tasks.1.queue_name"]
    assert fields(api.post("/workflows", json=workflow("good", name))) == ["steps.1.queue_name"]
    assert fields(api.post(MARK, json=mark(name))) == ["service_name"]
    done = finished(api, settings)
    assert fields(api.post(f"/tasks/{done}/replay", json={"queue_name": name})) == ["queue_name"]
    assert api.get("/tasks").json()["total"] == 1


def test_a_replay_of_a_task_whose_queue_was_taken_in_former_times_needs_another_queue(
    api: httpx.Client, settings: Settings
) -> None:
    done = finished(api, settings)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("UPDATE tasks SET queue_name = 'unacked' WHERE task_id = %s", [done])
    assert fields(api.post(f"/tasks/{done}/replay")) == ["queue_name"]
    assert api.post(f"/tasks/{done}/replay", json={"queue_name": "good"}).status_code == 201


def test_names_of_real_fleets_are_taken_found_and_marked(api: httpx.Client) -> None:
    for name in ODD:
        task_id = submitted(api, queue_name=name)
        found = api.get("/tasks", params={"queue_name": name}).json()
        assert [(row["task_id"], row["queue_name"]) for row in found["data"]] == [(task_id, name)]
    assert api.post("/tasks/batch", json={"tasks": [task(name) for name in ODD]}).status_code == 201
    assert api.post("/workflows", json=workflow(*ODD)).status_code == 201
    assert {row["name"] for row in api.get("/dashboard/stats").json()["queues"]} >= set(ODD)
    assert api.post(MARK, json=mark("high:priority")).status_code == 200
    assert api.post(CLEAR, json={"service_name": "queue:high:priority"}).json()["cleared"] is True


def test_a_key_of_another_kind_hides_no_other_queues_depth(api: httpx.Client, settings: Settings) -> None:
    with redis.Redis.from_url(settings.broker_url or "") as client:
        client.hset("cart", "item", "1")
        client.lpush("good", "x")
    for name in ("cart", "good"):
        submitted(api, queue_name=name)
    stats = api.get("/dashboard/stats").json()
    assert stats["queue_depth_source"] == "broker"
    assert {row["name"]: row["waiting"] for row in stats["queues"]}.items() >= {"cart": 0, "good": 1}.items()


async def test_a_parked_task_tells_why_and_can_be_cancelled(api: httpx.Client, engine: AsyncEngine) -> None:
    refusal = {"refusals": 5, "refusal": "the broker says: WRONGTYPE", "parked_at": ago(30), "due_at": ago(-270)}
    async with engine.begin() as connection:
        parked = await add_undispatched(connection, queue_name="cart", postponed_at=ago(45), **refusal)
        calm = await add_undispatched(connection, queue_name="celery")
    async with httpx.AsyncClient(base_url=api.base_url, timeout=30) as client:
        told = (await client.get(f"/tasks/{parked}")).json()
        assert (told["status"], told["phase"]) == ("PENDING", "dispatching")
        why = told["dispatch_refusal"]
        assert (why["refusals"], why["reason"]) == (5, "the broker says: WRONGTYPE")
        assert why["parked_at"] < why["next_try_at"]
        assert (await client.get(f"/tasks/{calm}")).json()["dispatch_refusal"] is None
        stats = (await client.get("/dashboard/stats")).json()
        assert (stats["undispatched"], stats["parked"]) == (2, 1)
        cancelled = await client.post(f"/tasks/{parked}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
        assert (await client.get("/dashboard/stats")).json()["parked"] == 0
