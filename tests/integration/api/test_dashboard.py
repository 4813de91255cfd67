import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from api.health.host_usage import HostUsage
from api.routes import dashboard
from api.routing import API_PREFIX
from domain.facts import Fact, worker_event_key
from domain.states import EventType
from domain.submissions import Submission
from domain.workers.status import Heartbeat
from services import dashboard as service
from services.dispatch import dispatch_due
from services.record import News, record
from services.workers.descriptions import save_descriptions
from settings import Settings
from store.queries import submissions
from store.queries.workers import nodes
from tests.fakes.gateway import FakeBroker, FakePublisher, FakeQueueReader
from tests.integration.api.nodes import describe_node
from tests.submissions import make_submission
from tests.unit.api.apps import app_of, client_of

NODE = "celery@compute-1"


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def open_breakers() -> set[str]:
    """Parts that count as failed."""
    return set()


@pytest.fixture
async def client(engine: AsyncEngine, broker: FakeBroker, open_breakers: set[str]) -> AsyncIterator[AsyncClient]:
    app = app_of(dashboard.router)
    app.state.resources = SimpleNamespace(
        engine=engine,
        queues=FakeQueueReader(broker),
        host=HostUsage(),
        settings=Settings(default_queue="celery"),
        probe=SimpleNamespace(breakers=SimpleNamespace(open_ones=lambda: frozenset(open_breakers))),
    )
    async with client_of(app) as client:
        yield client


async def read(client: AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(f"{API_PREFIX}/dashboard/{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def submit(engine: AsyncEngine, count: int = 1, **fields: Any) -> list[Submission]:
    made = [make_submission(**fields) for _ in range(count)]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, made)
    return made


async def dispatch(engine: AsyncEngine, broker: FakeBroker) -> None:
    async with engine.begin() as connection:
        await dispatch_due(connection, FakePublisher(broker))


async def tell(engine: AsyncEngine, tasks: list[Submission], *types: EventType, at: datetime | None = None) -> None:
    facts = []
    for task in tasks:
        for clock, event_type in enumerate(types):
            key = worker_event_key(event_type, NODE, pid=1, clock=clock)
            moment = (at or datetime.now(UTC)) + timedelta(milliseconds=clock)
            facts.append(Fact(task.task_id, event_type, moment, key, NODE, 1, clock, 0 if clock == 0 else None))
    async with engine.begin() as connection:
        await record(connection, News(facts))


async def hear(engine: AsyncEngine, *, online_for: timedelta = timedelta(hours=1), node: str = NODE) -> None:
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat(node, heard_at=now, at=now, online_at=now - online_for)])


def queue(stats: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (row for row in stats["queues"] if row["name"] == name)
    return {key: found[key] for key in ("waiting", "unacked")}


async def test_an_empty_system_counts_nothing_and_makes_nothing_up(client: AsyncClient) -> None:
    stats = await read(client, "stats")
    assert {name: stats[name] for name in ("queue_depth", "active_workers", "total_workers")} == {
        "queue_depth": 0,
        "active_workers": 0,
        "total_workers": 0,
    }
    assert stats["queues"] == [{"name": "celery", "waiting": 0, "unacked": 0}]
    assert (stats["total_tasks_submitted"], stats["tasks_completed"], stats["tasks_failed"]) == (0, 0, 0)


async def test_a_task_counts_once_wherever_it_waits(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    await submit(engine, 3, queue_name="payments")
    stats = await read(client, "stats")
    assert (stats["queue_depth"], stats["undispatched"]) == (3, 3)
    await dispatch(engine, broker)
    stats = await read(client, "stats")
    assert (stats["queue_depth"], stats["undispatched"]) == (3, 0)
    assert queue(stats, "payments") == {"waiting": 3, "unacked": 0}


async def test_a_task_that_is_not_yet_due_does_not_wait(client: AsyncClient, engine: AsyncEngine) -> None:
    await submit(engine, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    stats = await read(client, "stats")
    assert (stats["queue_depth"], stats["total_tasks_submitted"]) == (0, 1)


async def test_what_a_worker_holds_is_unacknowledged_until_it_ends(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    reserved, running, done = [await submit(engine, queue_name="payments") for _ in range(3)]
    await dispatch(engine, broker)
    broker.queues.clear()
    await tell(engine, reserved, EventType.RECEIVED)
    await tell(engine, running, EventType.RECEIVED, EventType.STARTED)
    await tell(engine, done, EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED)
    stats = await read(client, "stats")
    assert queue(stats, "payments") == {"waiting": 0, "unacked": 2}
    assert (stats["total_tasks_submitted"], stats["tasks_completed"], stats["tasks_failed"]) == (3, 1, 0)


async def test_without_the_broker_the_mirror_says_what_waits_there(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    received, *_ = await submit(engine, 3, queue_name="payments")
    await dispatch(engine, broker)
    await tell(engine, [received], EventType.RECEIVED)
    await submit(engine, queue_name="mail")
    broker.available = False
    stats = await read(client, "stats")
    assert (stats["queue_depth"], stats["undispatched"], stats["queue_depth_source"]) == (3, 1, "mirror")
    assert queue(stats, "payments") == {"waiting": 2, "unacked": 1}


class Frozen(FakeQueueReader):
    async def depths(self, names: Collection[str]) -> dict[str, int]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_broker_that_hangs_does_not_hold_up_the_dashboard() -> None:
    assert await service.ask_depths(Frozen(FakeBroker()), ["celery"], limit_seconds=0.01) is None


async def test_a_broker_whose_breaker_is_open_is_not_asked(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker, open_breakers: set[str]
) -> None:
    await submit(engine, 3)
    await dispatch(engine, broker)
    broker.queues.clear()
    assert (await read(client, "stats"))["queue_depth"] == 0
    open_breakers.add("broker")
    stats = await read(client, "stats")
    assert (stats["queue_depth"], stats["queue_depth_source"]) == (3, "mirror")


async def test_a_queue_that_only_a_worker_knows_is_shown(client: AsyncClient, engine: AsyncEngine) -> None:
    await hear(engine)
    async with engine.begin() as connection:
        await save_descriptions(connection, [describe_node(NODE, queues=("mail", "celery"))])
    await submit(engine, queue_name="payments")
    assert [row["name"] for row in (await read(client, "stats"))["queues"]] == ["celery", "mail", "payments"]


async def test_only_workers_that_are_heard_are_active(client: AsyncClient, engine: AsyncEngine) -> None:
    await hear(engine)
    past = datetime.now(UTC) - timedelta(minutes=1)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat("celery@gone", heard_at=past, at=past)])
    stats = await read(client, "stats")
    assert (stats["active_workers"], stats["total_workers"]) == (1, 2)


async def test_cpu_and_memory_are_those_of_the_host(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.health.host_usage.FRESH_SECONDS", 0.0)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 45.2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(percent=62.1))
    stats = await read(client, "stats")
    assert (stats["cpu_usage_percent"], stats["memory_usage_percent"]) == (45.2, 62.1)


async def test_the_grid_shows_what_each_worker_has_done_lately(
    client: AsyncClient, engine: AsyncEngine, broker: FakeBroker
) -> None:
    await hear(engine)
    async with engine.begin() as connection:
        await save_descriptions(connection, [describe_node(NODE, concurrency=4)])
    await tell(engine, await submit(engine, 7), EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED)
    await tell(engine, await submit(engine, 3), EventType.RECEIVED, EventType.STARTED, EventType.FAILED)
    await tell(engine, await submit(engine, 3), EventType.RECEIVED, EventType.STARTED)
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    await tell(engine, await submit(engine), EventType.RECEIVED, EventType.STARTED, EventType.FAILED, at=long_ago)
    grid = await read(client, "workers")
    (worker,) = grid["workers"]
    assert grid["data"] == grid["workers"]
    assert (worker["hostname"], worker["status"]) == ("compute-1", "ACTIVE")
    assert (worker["task_rate"], worker["error_rate"], worker["capacity_utilization"]) == (10.0, 30.0, 0.75)
    assert 3600 <= worker["uptime_seconds"] < 3660


async def test_of_a_worker_that_did_nothing_the_error_rate_is_unknown(client: AsyncClient, engine: AsyncEngine) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat(NODE, heard_at=past, at=past, online_at=past)])
    (worker,) = (await read(client, "workers"))["workers"]
    assert (worker["status"], worker["uptime_seconds"]) == ("OFFLINE", None)
    assert (worker["task_rate"], worker["error_rate"], worker["capacity_utilization"]) == (0.0, None, None)


async def test_the_grid_comes_in_pages(client: AsyncClient, engine: AsyncEngine) -> None:
    for number in range(3):
        await hear(engine, node=f"celery@compute-{number}")
    page = await read(client, "workers?limit=1&offset=1")
    assert (page["total"], [row["hostname"] for row in page["data"]]) == (3, ["compute-1"])
