"""How far tasks are, many at a time, and why one of them does not run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from api.routes import explanations
from api.routing import API_PREFIX
from domain.degradation import Mark, Strategy
from domain.sight import Limits
from store.tables.workers import registered_tasks
from tests.fakes.gateway import FakeBroker, FakeQueueReader
from tests.stored import add_task, add_undispatched, add_worker, ago
from tests.unit.api.apps import HasLimits, app_of, client_of

UNTIL = datetime.now(UTC) + timedelta(minutes=5)
HELD = Mark("queue:held", Strategy.QUEUE_ONLY, UNTIL)


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@asynccontextmanager
async def client_with(
    engine: AsyncEngine, broker: FakeBroker, *, limits: Limits | None = None, adopts: bool = False
) -> AsyncIterator[AsyncClient]:
    app = app_of(explanations.router, layers=((HasLimits, {"limits": limits}),) if limits else ())
    app.state.resources = SimpleNamespace(
        engine=engine,
        settings=SimpleNamespace(adopt_queues=adopts),
        queues=FakeQueueReader(broker),
        marks=SimpleNamespace(current=lambda: {HELD.service_name: HELD}),
        probe=SimpleNamespace(breakers=SimpleNamespace(open_ones=frozenset)),
    )
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(engine: AsyncEngine, broker: FakeBroker) -> AsyncIterator[AsyncClient]:
    async with client_with(engine, broker) as client:
        yield client


async def explained(client: AsyncClient, task_id: str) -> tuple[str, dict[str, dict[str, Any]]]:
    answer = await client.get(f"{API_PREFIX}/tasks/{task_id}/explanation")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["task_id"] == task_id
    (state,) = (await client.get(f"{API_PREFIX}/tasks/states", params={"ids": task_id})).json()["data"]
    assert body["status"] == state["status"]
    return body["verdict"], {check["name"]: check for check in body["checks"]}


async def test_a_task_without_a_consumer_is_told_who_had_its_queue(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_task(connection, queue_name="payments", dispatched_at=ago(20))
        task_id = await add_task(connection, queue_name="payments", dispatched_at=ago(10))
        await add_task(connection, queue_name="payments", dispatched_at=ago(5))
        await add_worker(connection, "celery@gone", silent=3600, queues=["payments"])
    verdict, checks = await explained(client, task_id)
    assert verdict == "No worker that is online consumes payments; gone did."
    assert checks["queue"]["evidence"] == {"queue_name": "payments", "waiting": 0, "sent_before": 1}
    assert checks["consumers"]["action"] == "Start a worker with `-Q payments`."


async def test_what_a_mark_holds_back_is_told_how_to_free_it(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        task_id = await add_undispatched(connection, queue_name="held")
    verdict, checks = await explained(client, task_id)
    assert verdict.startswith("Held back: all that is submitted to queue held is, for ")
    assert checks["marks"]["state"] == "blocks"
    assert checks["outbox"]["state"] == "ok"
    assert '"queue:held"' in checks["marks"]["action"]


async def test_workers_that_do_not_know_the_task_or_stand_still_are_named(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        task_id = await add_task(connection, queue_name="payments")
        await add_worker(connection, "celery@one", queues=["payments"], concurrency=2, want_paused=True)
        await add_worker(connection, "celery@two", queues=["payments"], concurrency=2)
        row = {"node": "celery@one", "task_name": "celeriac.add", "seen_at": ago(1)}
        await connection.execute(insert(registered_tasks).values(row))
    verdict, checks = await explained(client, task_id)
    assert verdict.startswith("two would throw it away")
    assert checks["held"]["detail"] == "1 of 2 workers take tasks."
    assert checks["capacity"]["evidence"] == {"running": 0, "capacity": 2}


async def test_without_the_broker_nobody_can_tell(client: AsyncClient, engine: AsyncEngine, broker: FakeBroker) -> None:
    broker.available = False
    async with engine.begin() as connection:
        task_id = await add_task(connection)
    assert (await explained(client, task_id))[1]["broker"]["state"] == "unknown"


async def test_a_key_with_limits_is_told_neither_of_other_tasks_nor_how_many_wait(
    engine: AsyncEngine, broker: FakeBroker
) -> None:
    async with engine.begin() as connection:
        ours = await add_task(connection, task_name="ours.pay")
        theirs = await add_task(connection, task_name="theirs.pay", queue_name="theirs")
    async with client_with(engine, broker, limits=Limits(task_names=("ours.*",))) as client:
        _, checks = await explained(client, ours)
        assert {"queue", "broker"}.isdisjoint(checks)
        answer = await client.get(f"{API_PREFIX}/tasks/{theirs}/explanation")
        assert (answer.status_code, answer.json()["code"]) == (404, "TASK_NOT_FOUND")
        states = await client.get(f"{API_PREFIX}/tasks/states", params={"ids": [theirs, ours]})
        assert [row["task_id"] for row in states.json()["data"]] == [ours]


async def test_states_come_in_the_order_asked_for(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        ids = [await add_task(connection) for _ in range(3)]
        failed = {"status": "FAILED", "phase": "finished", "completed_at": ago(1), "duration_seconds": 2.5}
        ids.append(await add_task(connection, exception="x" * 2_000, node="celery@one", **failed))
    answer = await client.get(f"{API_PREFIX}/tasks/states", params={"ids": [*reversed(ids), "nobody", ids[0]]})
    rows = answer.json()["data"]
    assert [row["task_id"] for row in rows] == ids[::-1]
    end = rows[0]
    assert (end["status"], end["duration_seconds"], end["worker_hostname"]) == ("FAILED", 2.5, "one")
    assert len(end["error"]) == 1_024
    assert (await client.get(f"{API_PREFIX}/tasks/states")).json() == {"data": []}
    too_many = await client.get(f"{API_PREFIX}/tasks/states", params={"ids": ["x"] * 201})
    assert (too_many.status_code, too_many.json()["errors"][0]["field"]) == (400, "ids")


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ({"online_at": 60}, "It is running on one."),
        (
            {"silent": 40},
            "one, which runs it, is not heard any more; what it holds is looked after once it is proven dead.",
        ),
        (
            {"online_at": 5},
            "one ended without a goodbye while it ran, and was started again; what it held is looked after.",
        ),
        ({"online_at": 5, "goodbyes": [7]}, "It is running on one."),
    ],
    ids=["there", "silent", "killed", "after-a-goodbye"],
)
async def test_of_a_run_whose_worker_is_gone_that_is_said(
    client: AsyncClient, engine: AsyncEngine, worker: dict[str, Any], said: str
) -> None:
    async with engine.begin() as connection:
        task_id = await add_task(
            connection, status="RUNNING", phase="running", node="celery@one", started_at=ago(30), dispatched_at=ago(31)
        )
        silent = worker.get("silent", 0)
        online_at, goodbyes = ago(worker.get("online_at", 60)), [ago(each) for each in worker.get("goodbyes", ())]
        await add_worker(connection, "celery@one", silent=silent, online_at=online_at, goodbyes=goodbyes)
    verdict, checks = await explained(client, task_id)
    assert verdict == said
    assert ("runner" in checks) is (verdict != "It is running on one.")
