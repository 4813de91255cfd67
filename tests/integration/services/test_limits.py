"""Limits from what workers say, and the count of retries on stock nodes, from dispatch to the row."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.facts import Fact, worker_event_key
from domain.results import StoredResult
from domain.states import EventType
from domain.workers.status import Heartbeat
from services.dispatch import dispatch_due
from services.record import News, record
from services.resident import limits as module
from services.resident.limits import Limits
from store.look import Look
from store.queries import submissions
from store.queries.tasks.documents import get_task
from store.queries.workers import descriptions, nodes
from store.queries.workers.consumers import LAST_TOLD
from store.queries.workers.descriptions import Description
from tests.fakes.gateway import FakeBroker, FakePublisher
from tests.patience import until
from tests.submissions import make_submission

NODE = "celery@stock"


async def add_stock_node(engine: AsyncEngine, *, own_limit: int) -> None:
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat(NODE, heard_at=now, at=now, pid=1)])
        limits = {"celeriac.add": own_limit}
        description = Description(NODE, 1, "threads", 1, 1, ["celery"], ["celeriac.add"], None, retry_limits=limits)
        await descriptions.save_description(connection, description)


async def dispatch(engine: AsyncEngine, *, max_retries: int) -> tuple[str, FakeBroker]:
    submission, broker = make_submission(max_retries=max_retries), FakeBroker()
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
    async with engine.begin() as connection:
        await dispatch_due(connection, FakePublisher(broker))
    return submission.task_id, broker


def heard(task_id: str, kind: EventType, *, clock: int, retries: int | None = None) -> Fact:
    key = worker_event_key(kind, NODE, pid=1, clock=clock)
    return Fact(task_id, kind, datetime.now(UTC), key, NODE, 1, clock, retries)


class Counting(Look):
    """Counts how often it was asked."""

    asked = 0

    async def ask(self) -> Sequence[Any]:
        self.asked += 1
        return await super().ask()


async def test_what_workers_say_is_told_soon_and_read_only_where_it_is_new(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 3600)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    look = Counting(database_url, LAST_TOLD)
    async with Limits(engine, look) as limits:
        await until(lambda: look.asked > 1)
        await add_stock_node(engine, own_limit=7)
        assert await until(lambda: limits.own_retries) == {"celeriac.add": 7}
        told = limits.explain("celeriac.add", "celery", timeout_seconds=5, max_retries=9)
        assert told is not None
        assert "timeout_seconds is not enforced on a threads pool" in told
        assert "own limit of 7" in told
        assert limits.explain("celeriac.add", "elsewhere", timeout_seconds=5, max_retries=9) is None
    await look.close()


async def test_a_stock_worker_counts_from_where_it_will_stop_and_we_count_from_nought(engine: AsyncEngine) -> None:
    await add_stock_node(engine, own_limit=3)
    task_id, broker = await dispatch(engine, max_retries=1)
    assert broker.queues["celery"][0].retries_base == 2
    story = [
        heard(task_id, EventType.RECEIVED, clock=1, retries=2),
        heard(task_id, EventType.STARTED, clock=2),
        heard(task_id, EventType.RETRIED, clock=3),
        heard(task_id, EventType.RECEIVED, clock=4, retries=3),
        heard(task_id, EventType.STARTED, clock=5),
    ]
    result = StoredResult(task_id, "FAILURE", exception_type="ValueError", exception_message="no", retries=3)
    async with engine.begin() as connection:
        await record(connection, News(story))
        await record(connection, News(results=[result]))
    async with engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    assert (task.status, task.retry_count, task.max_retries) == ("FAILED", 1, 1)
    assert [(attempt["retries"], attempt["state"]) for attempt in task.attempts] == [(0, "RETRIED"), (1, "FAILED")]


async def test_a_limit_that_is_the_tasks_own_needs_no_count(engine: AsyncEngine) -> None:
    await add_stock_node(engine, own_limit=3)
    _, broker = await dispatch(engine, max_retries=3)
    assert broker.queues["celery"][0].retries_base == 0
