"""Failures in groups, durations over time, gaps, what marks hold back, and what has become of a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.routes import analytics, held, mirror, workers
from api.routing import API_PREFIX
from domain.audit import Author
from domain.degradation import Mark, Signature, Strategy
from domain.sight import Limits
from domain.states import EventType
from domain.trends import Interval
from domain.workers.status import worker_id_of
from services.workers import requests
from store.queries import gaps, rollups, submissions
from store.tables.tasks import tasks
from tests.integration.api.ends import finish
from tests.stored import add_undispatched, add_worker, ago
from tests.submissions import make_submission
from tests.unit.api.apps import HasLimits, app_of, client_of


@pytest.fixture
def marks() -> dict[str, Mark]:
    return {}


@asynccontextmanager
async def client_with(
    engine: AsyncEngine, *, marks: dict[str, Mark], limits: Limits | None = None
) -> AsyncIterator[AsyncClient]:
    layers = ((HasLimits, {"limits": limits}),) if limits else ()
    app = app_of(analytics.router, mirror.router, held.router, workers.router, layers=layers)
    app.state.resources = SimpleNamespace(
        engine=engine,
        marks=SimpleNamespace(current=lambda: marks),
        probe=SimpleNamespace(breakers=SimpleNamespace(open_ones=frozenset)),
    )
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(engine: AsyncEngine, marks: dict[str, Mark]) -> AsyncIterator[AsyncClient]:
    async with client_with(engine, marks=marks) as client:
        yield client


async def read(client: AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(f"{API_PREFIX}{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def fail(engine: AsyncEngine, database_url: str, *named: tuple[str, str], hours: float = 0.1) -> list[str]:
    made = [make_submission(task_name=name, queue_name=queue, created_at=ago(hours * 3600)) for name, queue in named]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    for one in made:
        end = {"end": EventType.FAILED, "seconds": 0.5, "begun": ago(hours * 3600)}
        await asyncio.to_thread(finish, database_url, one.task_id, **end)  # type: ignore[arg-type]
    return [one.task_id for one in made]


async def test_failures_are_grouped_by_class_and_name(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    early = await fail(engine, database_url, ("pay", "a"), hours=5)
    async with engine.begin() as connection:
        await rollups.fold_deltas(connection, batch_size=1_000)
    late = await fail(engine, database_url, *4 * [("pay", "a")], ("mail", "b"))
    found = await read(client, "/analytics/failures?hours=10")
    pay, mail = found["groups"]
    assert [(group["error"], group["task_name"], group["count"]) for group in (pay, mail)] == [
        ("ValueError", "pay", 5),
        ("ValueError", "mail", 1),
    ]
    assert sum(each["count"] for each in pay["series"]) == 5
    assert pay["series"][0]["bucket"] == pay["first_seen"] < pay["last_seen"]
    assert datetime.fromisoformat(pay["first_seen"]) <= ago(5 * 3600 - 1)
    assert len(pay["sample_task_ids"]) == 3
    assert set(pay["sample_task_ids"]) < set(late)
    assert early[0] not in pay["sample_task_ids"]
    daily = await read(client, "/analytics/failures?hours=100")
    assert (daily["interval"], [group["count"] for group in daily["groups"]]) == ("daily", [5, 1])


async def test_what_is_new_is_the_same_in_every_range(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    """New is what began in this hour or the one before, and was not there in the days before that."""
    await fail(engine, database_url, ("forgotten", "a"), hours=9 * 24)
    for hours in (3, 30, 6 * 24):
        await fail(engine, database_url, (f"{hours} hours ago", "a"), hours=hours)
    async with engine.begin() as connection:
        await rollups.fold_deltas(connection, batch_size=1_000)
    await fail(engine, database_url, ("late delta", "a"), hours=4)
    old = ["3 hours ago", "30 hours ago", "144 hours ago", "late delta"]
    await fail(engine, database_url, *((name, "a") for name in ("fresh", "forgotten", *old)))
    answers = [await read(client, f"/analytics/failures?hours={hours}") for hours in (1, 24, 48, 100, 720)]
    for answer in answers:
        hour = datetime.fromisoformat(answer["until"]).replace(minute=0, second=0, microsecond=0)
        assert datetime.fromisoformat(answer["new_since"]) == hour - timedelta(hours=1)
        found = {group["task_name"] for group in answer["groups"] if group["is_new"]}
        assert found == {"fresh", "forgotten"}, answer["since"]


async def test_a_group_that_is_new_says_in_which_minute_it_began(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    await fail(engine, database_url, ("pay", "a"), hours=5)
    first, _, _ = await fail(engine, database_url, ("mail", "b"), ("pay", "a"), ("mail", "a"), hours=0.5)
    async with engine.begin() as connection:
        began = (await connection.execute(select(tasks.c.completed_at).where(tasks.c.task_id == first))).scalar_one()
    minute = Interval.MINUTELY.start_of(began)
    await fail(engine, database_url, ("mail", "b"))
    for _ in range(2):
        for hours in (1, 48, 100):
            groups = (await read(client, f"/analytics/failures?hours={hours}"))["groups"]
            told = {group["task_name"]: group["first_failed_at"] for group in groups}
            assert told.pop("pay", None) is None
            assert {name: datetime.fromisoformat(at) for name, at in told.items()} == {"mail": minute}
        async with engine.begin() as connection:
            await rollups.fold_deltas(connection, batch_size=1_000)


async def test_a_group_says_on_which_workers_its_newest_failed(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    made = await fail(engine, database_url, *5 * [("pay", "a")], ("mail", "a"))
    nodes = ["celery@w3", "celery@w3", "celery@w3", "celery@w1", None, "celery@w1"]
    async with engine.begin() as connection:
        for task_id, node in zip(made, nodes, strict=True):
            await connection.execute(update(tasks).where(tasks.c.task_id == task_id).values(node=node))
    pay, mail = (await read(client, "/analytics/failures"))["groups"]
    assert (pay["count"], pay["by_worker"]["sampled"], pay["by_worker"]["worker_count"]) == (5, 4, 2)
    assert [(one["hostname"], one["count"]) for one in pay["by_worker"]["workers"]] == [("w3", 3), ("w1", 1)]
    assert pay["by_worker"]["workers"][0]["worker_id"] == str(worker_id_of("celery@w3"))
    assert [one["hostname"] for one in mail["by_worker"]["workers"]] == ["w1"]
    assert pay["latest_error"].startswith("ValueError")


async def test_failures_stand_beside_the_runs_of_their_name(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    """A worker on which all failures are is not to blame where it alone ran the name."""
    failed = await fail(engine, database_url, *2 * [("pay", "a")])
    done = [make_submission(task_name="pay", queue_name="a", created_at=ago(300)) for _ in range(3)]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, done)
    for one in done:
        end = {"end": EventType.SUCCEEDED, "seconds": 0.5, "begun": ago(300)}
        await asyncio.to_thread(finish, database_url, one.task_id, **end)  # type: ignore[arg-type]
    nodes = dict.fromkeys(failed, "celery@w1") | {one.task_id: "celery@w2" for one in done}
    nodes[done[0].task_id] = "celery@w1"
    async with engine.begin() as connection:
        for task_id, node in nodes.items():
            await connection.execute(update(tasks).where(tasks.c.task_id == task_id).values(node=node))
    (group,) = (await read(client, "/analytics/failures"))["groups"]
    found = group["by_worker"]
    assert (found["sampled"], found["runs"], found["running_worker_count"]) == (2, 5, 2)
    assert [(one["hostname"], one["count"], one["runs"]) for one in found["workers"]] == [("w1", 2, 3)]


async def test_a_limited_key_is_told_of_its_failures_alone(engine: AsyncEngine, database_url: str) -> None:
    await fail(engine, database_url, ("pay", "a"), ("pay", "b"))
    async with client_with(engine, marks={}, limits=Limits(queues=("b",))) as client:
        (group,) = (await read(client, "/analytics/failures"))["groups"]
        assert (group["count"], len(group["sample_task_ids"])) == (1, 1)
        durations = await read(client, "/analytics/durations")
        assert sum(sum(row["counts"]) for row in durations["data"]) == 1


async def test_durations_are_counted_by_the_hour_and_by_the_day(
    client: AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    await fail(engine, database_url, ("pay", "a"), hours=30)
    async with engine.begin() as connection:
        await rollups.fold_deltas(connection, batch_size=1_000)
    await fail(engine, database_url, ("pay", "a"), ("mail", "b"))
    for hours, interval in ((48, "hourly"), (72, "daily")):
        for query, runs in (("", 3), ("&task_name=pay", 2), ("&queue_name=b", 1)):
            found = await read(client, f"/analytics/durations?hours={hours}{query}")
            assert found["interval"] == interval
            assert sum(sum(row["counts"]) for row in found["data"]) == runs
            assert 0.5 <= found["upper_seconds"][-1] <= 1.1


async def test_gaps_are_listed_newest_first(client: AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for since, until in ((3 * 86_400, 3 * 86_400 - 5), (600, 540), (60, 20)):
            await gaps.add_gap(connection, source="broker", started_at=ago(since), ended_at=ago(until))
    page = await read(client, "/mirror/gaps")
    assert (page["total"], [round(gap["seconds"]) for gap in page["gaps"]]) == (2, [40, 60])
    assert (await read(client, "/mirror/gaps?after=-7d&before=-1h"))["total"] == 1
    assert (await read(client, "/mirror/gaps?limit=1&offset=1"))["data"] == page["data"][1:]
    answer = await client.get(f"{API_PREFIX}/mirror/gaps?after=yesterday")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "after")


async def test_what_marks_hold_back_is_told_by_queue_and_name(
    client: AsyncClient, engine: AsyncEngine, marks: dict[str, Mark]
) -> None:
    async with engine.begin() as connection:
        for queue in ("payments", "payments", "mail"):
            await add_undispatched(connection, queue_name=queue)
    assert await read(client, "/resilience/held") == {"total": 0, "is_exact": True, "data": [], "marks": []}
    until = datetime.now(UTC) + timedelta(minutes=5)
    signature = Signature(ago(60), "api_key:k1", "ann", "the bank is down")
    marks["queue:payments"] = Mark("queue:payments", Strategy.QUEUE_ONLY, until, signature)
    marks["task:other"] = Mark("task:other", Strategy.QUEUE_ONLY, until)
    found = await read(client, "/resilience/held")
    (row,) = found["data"]
    assert [(mark["service_name"], mark["count"], mark["set_by_name"], mark["reason"]) for mark in found["marks"]] == [
        ("queue:payments", 2, "ann", "the bank is down"),
        ("task:other", 0, None, None),
    ]
    assert (found["total"], row["queue_name"], row["held_by"]) == (2, "payments", ["queue:payments"])
    marks["broker"] = Mark("broker", Strategy.QUEUE_ONLY, until)
    assert [row["count"] for row in (await read(client, "/resilience/held"))["data"]] == [2, 1]
    async with client_with(engine, marks=marks, limits=Limits(queues=("mail",))) as limited:
        (row,) = (await read(limited, "/resilience/held"))["data"]
        assert (row["queue_name"], row["held_by"]) == ("mail", ["broker"])
        assert [mark["service_name"] for mark in (await read(limited, "/resilience/held"))["marks"]] == ["broker"]


async def test_the_history_of_a_worker_says_who_asked_for_what(client: AsyncClient, engine: AsyncEngine) -> None:
    author = Author("api_key", "k1", "ops", reason="deploy")
    async with engine.begin() as connection:
        await add_worker(connection, "celery@one", online_at=ago(3600))
        await requests.request_pause(connection, "one", author=author)
    async with engine.begin() as connection:
        await requests.request_resume(connection, "one", author=Author("local", "local", "local", reason="deploy"))
    found = (await read(client, "/workers/one/history"))["data"]
    assert [(entry["event"], entry["by"], entry["by_name"]) for entry in found] == [
        ("resume_asked", "local", None),
        ("pause_asked", "api_key:k1", "ops"),
        ("online", None, None),
    ]
    assert found[0]["reason"] == "deploy"
    assert (await client.get(f"{API_PREFIX}/workers/nobody/history")).status_code == 404
