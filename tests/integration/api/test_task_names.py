"""Names of tasks: who knows them, and how the tasks of each have fared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.routes import analytics, task_names
from api.routing import API_PREFIX
from domain.histograms import bucket_of
from domain.rollups import CountKey, Delta, Measure
from domain.sight import Limits
from domain.submissions import Submission
from store.queries import rollups, submissions
from store.tables.rollups import rollup_minutes
from store.tables.workers import registered_tasks
from tests.integration.api.ends import finish
from tests.stored import add_task, add_worker, ago
from tests.submissions import make_submission
from tests.unit.api.apps import HasLimits, app_of, client_of

KNOWS, KNOWS_NOT = "celery@knows", "celery@knows-not"


@asynccontextmanager
async def client_with(engine: AsyncEngine, limits: Limits | None = None) -> AsyncIterator[AsyncClient]:
    layers = ((HasLimits, {"limits": limits}),) if limits else ()
    app = app_of(task_names.router, analytics.router, layers=layers)
    app.state.resources = SimpleNamespace(engine=engine)
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    async with client_with(engine) as client:
        yield client


async def read(client: AsyncClient, path: str = "/task-names") -> dict[str, Any]:
    answer = await client.get(f"{API_PREFIX}{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def submit(engine: AsyncEngine, *named: tuple[str, str]) -> list[Submission]:
    made = [make_submission(task_name=name, queue_name=queue) for name, queue in named]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    return made


async def add_known(connection: AsyncConnection, node: str, *, name: str, **said: Any) -> None:
    row = {"node": node, "task_name": name, "seen_at": ago(1)}
    await connection.execute(insert(registered_tasks).values(row | said))


@pytest.fixture
async def workers(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for node in (KNOWS, KNOWS_NOT):
            await add_worker(connection, node)
        await add_worker(connection, "celery@gone", silent=3600)
        await add_known(connection, KNOWS, name="pay", acks_late=True, max_retries=3)
        await add_known(connection, "celery@gone", name="pay", acks_late=True, max_retries=5)
        await add_known(connection, KNOWS, name="idle")


@pytest.mark.usefixtures("workers")
async def test_a_name_has_what_its_workers_say_and_what_was_counted(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    made = await submit(engine, *3 * [("pay", "celery")])
    await asyncio.to_thread(finish, database_url, made[0].task_id, seconds=2.0, begun=ago(10))
    page = await read(client)
    assert [row["task_name"] for row in page["task_names"]] == ["idle", "pay"]
    idle, pay = page["data"]
    counted = {name: pay[name] for name in ("submitted", "completed", "failed", "completion_rate", "known_by")}
    assert counted == {"submitted": 3, "completed": 1, "failed": 0, "completion_rate": 100.0, "known_by": 1}
    assert pay["p50_duration_seconds"] == pytest.approx(2.0, rel=0.05)
    assert 1 / 2 <= pay["ended_per_minute"] <= 1
    assert (pay["acks_late"], pay["max_retries"]) == (True, None)  # 3 and 5: they do not agree
    assert pay["last_hour"]["runs"] == 1
    assert pay["last_hour"]["p95_duration_seconds"] == pytest.approx(2.0, rel=0.05)
    assert pay["hour_before"] == {"runs": 0, "p50_duration_seconds": None, "p95_duration_seconds": None}
    assert (idle["submitted"], idle["completion_rate"], idle["p50_duration_seconds"]) == (0, None, None)


@pytest.mark.usefixtures("workers")
async def test_one_name_tells_who_does_not_know_it_and_what_failed_last(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        failed = {"task_name": "pay", "status": "FAILED", "phase": "finished"}
        await add_task(connection, completed_at=ago(60), exception="KeyError: old", **failed)
        latest = await add_task(connection, completed_at=ago(2), exception="Timeout: bank", **failed)
        await add_task(connection, task_name="pay", status="COMPLETED", phase="finished", completed_at=ago(1))
    pay = await read(client, "/task-names/pay")
    assert [(worker["hostname"], worker["knows"]) for worker in pay["workers"]] == [
        ("knows-not", False),
        ("knows", True),
    ]
    assert (pay["latest_failure"]["task_id"], pay["latest_failure"]["error"]) == (latest, "Timeout: bank")
    assert (await read(client, "/task-names/idle"))["latest_failure"] is None


async def test_a_name_that_nobody_knows_is_not_found(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_task(connection, task_name="old.name")
    assert (await read(client, "/task-names/old.name"))["known_by"] == 0
    answer = await client.get(f"{API_PREFIX}/task-names/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "TASK_NAME_NOT_FOUND")


@pytest.mark.usefixtures("workers")
async def test_a_key_with_limits_knows_of_no_other_name(engine: AsyncEngine) -> None:
    made = [
        make_submission(task_name=name, queue_name=queue) for name, queue in (("pay", "a"), ("pay", "b"), ("x", "b"))
    ]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    async with client_with(engine, Limits(queues=("a",))) as client:
        page = await read(client)
        assert [(row["task_name"], row["submitted"]) for row in page["data"]] == [("pay", 1)]
        # Whether a name is known at all is no business of a key that is limited to queues.
        for name in ("x", "idle"):
            assert (await client.get(f"{API_PREFIX}/task-names/{name}")).status_code == 404
        assert [worker["hostname"] for worker in (await read(client, "/task-names/pay"))["workers"]] == ["knows"]
        trends = await read(client, "/analytics/trends")
        assert [(row["task_name"], row["submitted"]) for row in trends["by_task"]] == [("pay", 1)]
    async with client_with(engine, Limits(task_names=("idle", "x"))) as client:
        assert [row["task_name"] for row in (await read(client))["data"]] == ["idle", "x"]


NAMED = CountKey(ago(0), "pay", "a", Measure.COMPLETED, "", "", None)


def ended(count: int, *, minutes_ago: float, seconds: float, **others: Any) -> Delta:
    bucket = bucket_of(round(seconds * 1e6))
    key = NAMED._replace(starts_at=ago(60 * minutes_ago), bucket=bucket, **others)
    return Delta(key, count, round(count * seconds * 1e6))


async def test_a_name_that_has_become_slower_says_by_how_much_and_since_when(engine: AsyncEngine) -> None:
    before = [ended(2, minutes_ago=minutes, seconds=0.4) for minutes in range(35, 119)]
    since = [ended(2, minutes_ago=minutes, seconds=1.2) for minutes in range(1, 35)]
    steady = [ended(30, minutes_ago=minutes, seconds=0.4, task_name="steady", queue_name="b") for minutes in (20, 80)]
    few = [ended(9, minutes_ago=minutes, seconds=minutes, task_name="few") for minutes in (90, 10)]
    async with client_with(engine) as client, client_with(engine, Limits(queues=("b",))) as limited:
        async with engine.begin() as connection:
            await rollups.add_deltas(connection, [*before, *steady, *few])
            await rollups.fold_deltas(connection, batch_size=1_000)
            # What is not folded yet counts as well.
            await rollups.add_deltas(connection, since)
        slower = {row["task_name"]: row["is_slower"] for row in (await read(client))["data"]}
        assert slower == {"few": False, "pay": True, "steady": False}
        pay = await read(client, "/task-names/pay")
        assert pay["last_hour"]["p95_duration_seconds"] == pytest.approx(1.2, rel=0.05)
        assert pay["hour_before"]["p95_duration_seconds"] == pytest.approx(0.4, rel=0.05)
        assert ago(60 * 35) <= datetime.fromisoformat(pay["slower_since"]) <= ago(60 * 33)
        assert (await read(client, "/task-names/steady"))["slower_since"] is None
        trends = await read(client, "/analytics/trends?hours=1&interval=minutely&task_name=pay")
        told = [row["p50_duration_seconds"] for row in trends["series"] if row["completed"]]
        assert told[0] == pytest.approx(0.4, rel=0.05)
        assert told[-1] == pytest.approx(1.2, rel=0.05)
        assert [row["task_name"] for row in (await read(limited))["data"]] == ["steady"]
        # What was folded before minutes had durations is counted, and not said to have taken no time.
        async with engine.begin() as connection:
            await connection.execute(update(rollup_minutes).values(durations=0))
        earlier = (await read(client, "/task-names/pay"))["hour_before"]
        assert earlier["runs"] > 0
        assert earlier["p95_duration_seconds"] is None


async def test_trends_are_of_one_name_or_queue_and_by_the_minute_for_a_day(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    made = [
        make_submission(task_name=name, queue_name=queue) for name, queue in (("pay", "a"), ("pay", "b"), ("x", "b"))
    ]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    trends = await read(client, "/analytics/trends?hours=1&interval=minutely&task_name=pay&queue_name=b")
    assert len(trends["series"]) == 61
    assert sum(bucket["submitted"] for bucket in trends["series"]) == 1
    assert [row["submitted"] for row in trends["by_task"] + trends["by_queue"]] == [1, 1]
    answer = await client.get(f"{API_PREFIX}/analytics/trends?hours=25&interval=minutely")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "hours")
