"""What stands beside a list of tasks: facets, histogram, and suggestions for its filters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from api.routes import facets
from api.routing import API_PREFIX
from domain.filters import TaskFilter
from domain.sight import Limits
from domain.states import EventType
from store.engine import CountingPool
from store.queries import submissions
from store.queries.tasks.facets import count_creations, count_facets
from tests.integration.api.ends import finish
from tests.stored import add_task, add_worker, ago
from tests.submissions import make_submission
from tests.unit.api.apps import HasLimits, app_of, client_of

FAILED = {"status": "FAILED", "phase": "finished"}


@asynccontextmanager
async def client_with(engine: AsyncEngine, *, limits: Limits | None = None) -> AsyncIterator[AsyncClient]:
    app = app_of(facets.router, layers=((HasLimits, {"limits": limits}),) if limits else ())
    app.state.resources = SimpleNamespace(engine=engine, searches=asyncio.Semaphore(1))
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    async with client_with(engine) as client:
        yield client


async def read(client: AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(f"{API_PREFIX}/search/{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def tasks(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for name, queue in (("pay", "a"), ("pay", "b"), ("mail", "b")):
            await add_task(connection, task_name=name, queue_name=queue, created_at=ago(3600))
        await add_task(connection, task_name="pay", queue_name="a", created_at=ago(60), node="celery@one", **FAILED)


@pytest.mark.usefixtures("tasks")
async def test_facets_count_the_values_of_what_matches(client: AsyncClient) -> None:
    found = await read(client, "facets?task_name=pay")
    assert (found["total"], found["is_exact"]) == (3, True)
    values = {field: {row["value"]: row["count"] for row in rows} for field, rows in found["facets"].items()}
    assert values == {
        "status": {"PENDING": 2, "FAILED": 1},
        "phase": {"queued": 2, "finished": 1},
        "queue_name": {"a": 2, "b": 1},
        "task_name": {"pay": 3},
        "worker": {None: 2, "one": 1},
    }
    assert list((await read(client, "facets?fields=status,worker"))["facets"]) == ["status", "worker"]
    answer = await client.get(f"{API_PREFIX}/search/facets?fields=color")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "fields.0")


@pytest.mark.usefixtures("tasks")
async def test_of_too_many_the_newest_are_counted(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await count_facets(connection, TaskFilter(), fields=["status"], counted=1)
        assert (found.total, found.is_exact, found.values) == (1, False, {"status": [("FAILED", 1)]})
        made = await count_creations(connection, TaskFilter(), counted=1)
        assert (made.total, made.is_exact, len(made.sums)) == (1, False, 1)
        assert made.counted_since is not None
        assert made.counted_since > ago(120)


@pytest.mark.usefixtures("tasks")
async def test_a_histogram_of_any_filter_counts_tasks_by_their_creation(client: AsyncClient) -> None:
    found = await read(client, "histogram?task_name=pay&status=FAILED&status=PENDING&buckets=24")
    assert (found["source"], found["total"], found["is_exact"], found["counted_since"]) == ("tasks", 3, True, None)
    assert found["bucket_seconds"] == 3600
    assert len(found["data"]) in (24, 25)
    assert sum(row["submitted"] for row in found["data"]) == 3
    assert [row["failed"] for row in found["data"] if row["failed"]] == [1]


async def test_a_histogram_by_name_queue_and_time_comes_from_roll_ups(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    made = [make_submission(task_name=name, queue_name="a", created_at=ago(7200)) for name in ("pay", "pay", "mail")]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    await asyncio.to_thread(finish, database_url, made[0].task_id, end=EventType.FAILED, begun=ago(600))
    for buckets in (24, 96):
        found = await read(client, f"histogram?task_name=pay&queue_name=a&created_after=-20h&buckets={buckets}")
        assert (found["source"], found["total"], found["is_exact"]) == ("rollups", 2, True)
        assert [row["submitted"] for row in found["data"] if row["submitted"]] == [2]
        assert sum(row["failed"] for row in found["data"]) == 1
    its_minute = f"{made[0].created_at:%Y-%m-%dT%H:%MZ}"
    until_then = await read(client, f"histogram?created_after=-20h&created_before={its_minute}")
    assert (until_then["source"], until_then["total"]) == ("rollups", 0)
    before = await read(client, "histogram?created_after=-20h&created_before=-3h")
    assert before["total"] == 0
    assert datetime.fromisoformat(before["until"]) < datetime.now(UTC) - timedelta(hours=2)
    upside_down = await read(client, "histogram?created_after=-1h&created_before=-3h")
    assert (upside_down["total"], len(upside_down["data"])) == (0, 1)


async def test_suggestions_are_what_was_seen_lately(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    made = [
        make_submission(task_name=name, queue_name=queue)
        for name, queue in (("pay", "a"), ("pay", "b"), ("repay", "a"))
    ]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
        await add_worker(connection, "celery@payer")
    await asyncio.to_thread(finish, database_url, made[0].task_id, end=EventType.FAILED, begun=ago(60))
    expected = {
        "task_name&prefix=pay": ["pay", "repay"],
        "queue_name": ["a", "b"],
        "worker&prefix=PAY": ["payer", "one"][:1],
        "error&prefix=value": ["ValueError"],
    }
    for query, names in expected.items():
        assert (await read(client, f"suggestions?field={query}"))["data"] == names
    async with client_with(engine, limits=Limits(queues=("b",))) as limited:
        found = {
            field: (await read(limited, f"suggestions?field={field}"))["data"]
            for field in ("task_name", "worker", "error")
        }
    assert found == {"task_name": ["pay"], "worker": [], "error": []}


@pytest.mark.usefixtures("tasks")
async def test_nothing_outside_of_the_limits_is_counted(engine: AsyncEngine) -> None:
    async with client_with(engine, limits=Limits(queues=("b",))) as client:
        assert (await read(client, "facets"))["total"] == 2
        assert (await read(client, "histogram?min_priority=1"))["total"] == 0
        assert (await read(client, "histogram?status=PENDING"))["total"] == 2


async def test_a_refused_search_gives_its_connection_back_at_once(client: AsyncClient, engine: AsyncEngine) -> None:
    pool = engine.pool
    assert isinstance(pool, CountingPool)
    for _ in range(2):
        assert (await client.get(f"{API_PREFIX}/search/facets?fields=color")).status_code == 400
        assert pool.checkedout() == 0
