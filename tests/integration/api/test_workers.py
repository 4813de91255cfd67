"""Workers over HTTP where none runs: registration, wishes kept for later, refusals."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest
import redis

from settings import Settings
from store.engine import open_engine
from tests.stored import add_worker

OF_NODES = "*celery@*"
"""All keys that concern one worker."""
COLUMNS = {"described_at": None, "pool": "prefork", "concurrency": 2, "queues": ["celery"]}


def seen(settings: Settings, node: str, **given: Any) -> None:
    """A node that the mirror has heard."""

    async def add() -> None:
        engine = open_engine(settings.database_url or "", pool_size=1)
        async with engine.begin() as connection:
            await add_worker(connection, node, **(COLUMNS | given))
        await engine.dispose()

    asyncio.run(add())


def registered(api: httpx.Client, **parameters: Any) -> dict[str, Any]:
    answer = api.post("/workers", params=parameters)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fields_of(answer: httpx.Response) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), answer.text
    return [error["field"] for error in answer.json()["errors"]]


def test_a_hostname_is_a_celery_node_and_a_name_with_an_at_is_taken_whole(api: httpx.Client) -> None:
    assert registered(api, hostname="compute-1")["hostname"] == "compute-1"
    assert api.get("/workers/celery@compute-1").json()["hostname"] == "compute-1"
    assert registered(api, hostname="video@compute-1")["hostname"] == "video@compute-1"
    assert api.get("/workers").json()["total"] == 2


def test_the_default_capacity_is_5_and_a_worker_already_seen_keeps_its_own(
    api: httpx.Client, settings: Settings
) -> None:
    assert registered(api, hostname="new")["capacity"] == 5
    seen(settings, "celery@old")
    old = registered(api, hostname="old")
    assert (old["capacity"], old["desired"]["capacity"]) == (2, None)
    seen(settings, "celery@older")
    older = registered(api, hostname="older", capacity=7)
    assert (older["capacity"], older["desired"]["capacity"], older["concurrency"]) == (7, 7, 2)


def test_a_worker_that_has_not_been_asked_yet_has_no_capacity_and_none_is_invented(
    api: httpx.Client, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "insert into workers (worker_id, node, last_heartbeat_at, last_event_at)"
            " values (gen_random_uuid(), 'celery@heard', now(), now())"
        )
    for answer in (api.get("/workers/heard"), api.get("/workers/heard/status"), api.post("/workers?hostname=heard")):
        assert (answer.is_success, answer.json()["capacity"]) == (True, None)
    assert api.get("/workers").json()["data"][0]["capacity"] is None
    (figures,) = api.get("/dashboard/workers").json()["data"]
    assert (figures["hostname"], figures["capacity_utilization"]) == ("heard", None)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "hostname"),
        ({"hostname": ""}, "hostname"),
        ({"hostname": "two words"}, "hostname"),
        ({"hostname": "a@b@c"}, "hostname"),
        ({"hostname": "a/b"}, "hostname"),
        ({"hostname": "x" * 256}, "hostname"),
        ({"hostname": "a", "capacity": 0}, "capacity"),
        ({"hostname": "a", "capacity": 1001}, "capacity"),
        ({"hostname": "a", "capacity": "many"}, "capacity"),
        ({"hostname": "a", "colour": "red"}, "colour"),
    ],
)
def test_a_bad_registration_names_its_field_and_registers_nothing(
    api: httpx.Client, parameters: dict[str, Any], field: str
) -> None:
    assert fields_of(api.post("/workers", params=parameters)) == [field]
    assert api.get("/workers").json()["total"] == 0


def test_a_pause_of_a_worker_that_is_offline_is_kept_for_its_start(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@away", silent=60)
    answer = api.patch("/workers/away/pause").json()
    assert (answer["status"], answer["converged"]) == ("paused", False)
    assert "offline" in answer["message"]
    with redis.Redis.from_url(settings.redis_url or "", decode_responses=True) as keys:
        assert keys.keys(OF_NODES) == ["celeriac:paused:celery@away"]
        details = api.get("/workers/away").json()
        assert (details["status"], details["desired"]["paused"]) == ("OFFLINE", True)
        (listed,) = api.get("/workers").json()["data"]
        assert listed["desired"] == details["desired"]
        assert api.patch("/workers/away/resume").json()["converged"]
        assert keys.keys(OF_NODES) == []


def test_a_worker_that_does_not_answer_is_told_so_and_the_wish_stands(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@busy")
    answer = api.patch("/workers/busy/pause").json()
    assert (answer["converged"], "repeated until it does" in answer["message"]) == (False, True)
    assert api.get("/workers/busy/status").json()["status"] == "PAUSED"
    answer = api.patch("/workers/busy/capacity", json={"capacity": 9}).json()
    assert (answer["capacity"], answer["converged"]) == (9, False)


def test_a_size_for_a_worker_that_is_offline_is_kept_for_its_start(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@away", silent=60, pool="solo")
    answer = api.patch("/workers/away/capacity", json={"capacity": 9})
    assert (answer.status_code, answer.json()["capacity"], answer.json()["converged"]) == (200, 9, False)
    assert api.get("/workers/away").json()["desired"]["capacity"] == 9


@pytest.mark.parametrize("given", [{"pool": "solo"}, {"pool": "threads"}, {"autoscales": True}])
def test_a_pool_that_cannot_be_resized_is_said_to_be_one_and_nothing_is_kept(
    api: httpx.Client, settings: Settings, given: dict[str, Any]
) -> None:
    seen(settings, "celery@fixed", **given)
    answer = api.patch("/workers/fixed/capacity", json={"capacity": 9})
    assert (answer.status_code, answer.json()["code"]) == (409, "CAPACITY_NOT_SUPPORTED")
    assert api.get("/workers/fixed").json()["desired"]["capacity"] is None


@pytest.mark.parametrize("body", [{}, {"capacity": 0}, {"capacity": 1001}, {"capacity": "9"}, {"capacity": 1.5}])
def test_a_bad_size_is_refused(api: httpx.Client, settings: Settings, body: dict[str, Any]) -> None:
    seen(settings, "celery@one")
    assert fields_of(api.patch("/workers/one/capacity", json=body)) == ["capacity"]


@pytest.mark.parametrize("deadline", [0, -1, 7 * 86_400 + 1, "soon"])
def test_a_bad_deadline_is_refused_and_nothing_is_drained(
    api: httpx.Client, settings: Settings, deadline: object
) -> None:
    seen(settings, "celery@one")
    answer = api.post("/workers/one/drain", json={"deadline_seconds": deadline})
    assert fields_of(answer) == ["deadline_seconds"]
    assert not api.get("/workers/one/status").json()["is_draining"]


def test_a_forgotten_worker_takes_its_wishes_with_it(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@away", silent=60)
    api.patch("/workers/away/pause")
    assert api.delete("/workers/away").status_code == 204
    with redis.Redis.from_url(settings.redis_url or "") as keys:
        assert keys.keys(OF_NODES) == []
    assert registered(api, hostname="away")["desired"]["paused"] is None


def test_a_forgotten_worker_comes_back_under_its_id(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@away", silent=60)
    worker_id = api.get("/workers/away").json()["worker_id"]
    assert api.delete(f"/workers/{worker_id}").status_code == 204
    assert registered(api, hostname="away")["worker_id"] == worker_id
    assert api.delete(f"/workers/{worker_id}").status_code == 204
    seen(settings, "celery@away")
    assert api.get(f"/workers/{worker_id}").json()["hostname"] == "away"


def test_a_plugin_that_speaks_otherwise_is_reported_as_such(api: httpx.Client, settings: Settings) -> None:
    seen(settings, "celery@new", plugin="9.0", protocol=9, capabilities=["pause"], described_at=None)
    details = api.get("/workers/new").json()
    assert "speaks protocol 9" in details["message"]
    assert details["versions"] == {"celery": None, "plugin": "9.0", "protocol": 9}


@pytest.mark.parametrize(
    ("protocol", "capabilities", "said"),
    [
        (9, ["pause"], "what both know holds"),
        (9, [], "as a worker without the plugin"),
        (1, ["pause"], "Its plugin is 0.0.1, this Celeriac brings"),
    ],
)
def test_another_release_of_the_plugin_is_told(
    api: httpx.Client, settings: Settings, protocol: int, capabilities: list[str], said: str
) -> None:
    seen(settings, "celery@other", plugin="0.0.1", protocol=protocol, capabilities=capabilities)
    assert said in api.get("/workers/other").json()["message"]
