"""Queues: what waits, where, how long already, how fast it goes, and who is there to take it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from api.middleware.whole_segments import WholeSegments
from api.routes import queues
from api.routing import API_PREFIX
from domain.degradation import Mark, Strategy
from domain.sight import Limits
from services.dispatch import dispatch_due
from settings import Settings
from store.queries import submissions
from store.queries.queues import add_to_described
from store.tables.workers import registered_tasks
from tests.fakes.gateway import FakeBroker, FakePublisher, FakeQueueReader
from tests.stored import add_task, add_undispatched, add_worker, ago
from tests.submissions import make_submission
from tests.unit.api.apps import HasLimits, app_of, client_of

NODE = "celery@compute-1"


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def marks() -> dict[str, Mark]:
    return {}


@asynccontextmanager
async def client_with(
    engine: AsyncEngine, broker: FakeBroker, *, marks: dict[str, Mark], limits: Limits | None = None
) -> AsyncIterator[AsyncClient]:
    limited = ((HasLimits, {"limits": limits}),) if limits else ()
    app = app_of(queues.router, layers=((WholeSegments, {}), *limited))
    app.state.resources = SimpleNamespace(
        engine=engine,
        queues=FakeQueueReader(broker),
        settings=Settings(default_queue="celery"),
        marks=SimpleNamespace(current=lambda: marks),
        probe=SimpleNamespace(breakers=SimpleNamespace(open_ones=lambda: frozenset())),
    )
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(engine: AsyncEngine, broker: FakeBroker, marks: dict[str, Mark]) -> AsyncIterator[AsyncClient]:
    async with client_with(engine, broker, marks=marks) as client:
        yield client


async def read(client: AsyncClient, path: str = "") -> dict[str, Any]:
    answer = await client.get(f"{API_PREFIX}/queues{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_empty_system_has_its_default_queue(client: AsyncClient) -> None:
    page = await read(client)
    assert (page["total"], page["queue_depth_source"], page["due_is_exact"]) == (1, "broker", True)
    assert (
        page["data"]
        == page["queues"]
        == [
            {
                "queue_name": "celery",
                "waiting": 0,
                "due": 0,
                "unacked": 0,
                "oldest_waiting_at": None,
                "in_per_minute": 0.0,
                "out_per_minute": 0.0,
                "empty_in_seconds": 0.0,
                "consumers": 0,
                "active_consumers": 0,
                "mark": None,
            }
        ]
    )


async def test_a_task_is_counted_where_it_is(client: AsyncClient, engine: AsyncEngine) -> None:
    oldest = ago(90)
    async with engine.begin() as connection:
        await add_undispatched(connection, queue_name="payments")
        # Held back, it has waited since it was due, not since it was handed to the broker.
        await add_task(
            connection, queue_name="payments", created_at=ago(500), scheduled_at=oldest, dispatched_at=ago(9)
        )
        await add_task(connection, queue_name="payments")
        await add_task(connection, queue_name="payments", phase="running", status="RUNNING", attempt_count=1)
        # Neither was submitted here: nobody knows whether it still waits.
        await add_task(connection, queue_name="payments", submitted_here=False, dispatched_at=ago(1000))
        await add_worker(connection, NODE, queues=["payments", "mail"])
        await add_worker(connection, "celery@gone", silent=3600, queues=["payments"])
    queue = await read(client, "/payments")
    counted = {name: queue[name] for name in ("due", "unacked", "consumers", "waiting")}
    assert counted == {"due": 1, "unacked": 1, "consumers": 1, "waiting": 0}
    assert datetime.fromisoformat(queue["oldest_waiting_at"]) == oldest
    assert [(worker["hostname"], worker["status"]) for worker in queue["workers"]] == [
        ("compute-1", "ACTIVE"),
        ("gone", "OFFLINE"),
    ]
    assert [row["queue_name"] for row in (await read(client))["data"]] == ["celery", "mail", "payments"]


async def test_workers_that_stand_still_consume_and_do_not_take(client: AsyncClient, engine: AsyncEngine) -> None:
    now = ago(0)
    stands_still: tuple[dict[str, Any], ...] = ({"want_paused": True}, {"is_paused": True}, {"drain_started_at": now})
    async with engine.begin() as connection:
        await add_worker(connection, NODE, queues=["payments"])
        await add_worker(connection, "celery@back", queues=["payments"], drain_started_at=now, drain_finished_at=now)
        for number, how in enumerate(stands_still):
            await add_worker(connection, f"celery@still-{number}", queues=["payments", "mail"], **how)
    counted = {row["queue_name"]: (row["consumers"], row["active_consumers"]) for row in (await read(client))["data"]}
    assert counted == {"celery": (0, 0), "mail": (3, 0), "payments": (5, 2)}


async def test_of_a_queue_that_nobody_consumes_it_is_told_who_could_and_then_who_took_it_on(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, NODE, queues=["celery"], consuming=["celery"], plugin="1.0")
        await connection.execute(insert(registered_tasks).values(node=NODE, task_name="celeriac.echo", seen_at=ago(0)))
        await add_task(connection, task_name="celeriac.echo", queue_name="math", phase="queued", checked_at=ago(0))
    queue = await read(client, "/math")
    assert (queue["workers"], queue["takers"], queue["adopts"]) == ([], [NODE], False)
    async with engine.begin() as connection:
        await add_to_described(connection, "math", nodes=[NODE])
    queue = await read(client, "/math")
    assert queue["takers"] == []
    (taker,) = queue["workers"]
    assert datetime.fromisoformat(taker["adopted_at"]) > ago(60)
    (own,) = (await read(client, "/celery"))["workers"]
    assert own["adopted_at"] is None


async def test_a_queue_is_empty_when_it_goes_faster_than_it_comes(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    made = [make_submission(queue_name="payments") for _ in range(10)]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
        await dispatch_due(connection, FakePublisher(broker))
    queue = await read(client, "/payments")
    assert (queue["waiting"], queue["out_per_minute"], queue["empty_in_seconds"]) == (10, 0.0, None)
    assert 10 / 2 <= queue["in_per_minute"] <= 10


async def test_without_the_broker_the_mirror_says_what_waits(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    async with engine.begin() as connection:
        await add_task(connection, queue_name="mail")
    broker.available = False
    page = await read(client)
    assert page["queue_depth_source"] == "mirror"
    assert {row["queue_name"]: row["waiting"] for row in page["data"]} == {"celery": 0, "mail": 1}


async def test_a_mark_stands_beside_its_queue(client: AsyncClient, marks: dict[str, Mark]) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    marks["queue:celery"] = Mark("queue:celery", Strategy.QUEUE_ONLY, until)
    mark = (await read(client, "/celery"))["mark"]
    assert (mark["strategy"], mark["automatic"]) == ("queue_only", False)


async def test_pages_follow_one_another(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for name in ("b/c", "a", "d"):
            await add_task(connection, queue_name=name)
    found = [(await read(client, f"?limit=1&offset={offset}"))["data"][0]["queue_name"] for offset in range(4)]
    assert found == ["a", "b/c", "celery", "d"]
    assert (await read(client, "/b%2Fc"))["queue_name"] == "b/c"


async def test_a_queue_that_nobody_names_is_not_found(client: AsyncClient) -> None:
    answer = await client.get(f"{API_PREFIX}/queues/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "QUEUE_NOT_FOUND")
    assert (await client.get(f"{API_PREFIX}/queues?sort_by=need")).status_code == 400


async def test_a_key_that_sees_some_tasks_of_a_queue_is_not_told_how_many_wait(
    engine: AsyncEngine, broker: FakeBroker
) -> None:
    async with engine.begin() as connection:
        for name in ("ours.pay", "theirs.pay", "theirs.pay"):
            await add_undispatched(connection, queue_name="shared")
            await add_task(connection, queue_name="shared", task_name=name, phase="reserved")
        await add_task(connection, queue_name="theirs")
    limits = Limits(queues=("shared",), task_names=("ours.*",))
    async with client_with(engine, broker, marks={}, limits=limits) as client:
        page = await read(client)
        assert [row["queue_name"] for row in page["data"]] == ["shared"]
        queue = await read(client, "/shared")
        assert (queue["waiting"], queue["unacked"], queue["due"]) == (None, 1, 0)
        assert (await client.get(f"{API_PREFIX}/queues/theirs")).status_code == 404
