import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.clocks import AHEAD_SECONDS
from domain.results import StoredResult
from gateway.events.sources import Blind, EventMessage
from mirror import writer as writer_module
from services.record import Follows, News, record
from store.queries import gaps
from store.queries.mirror import get_state
from store.queries.tasks import writing as task_rows
from store.tables.tasks import events, task_results, tasks
from store.tables.tasks import gaps as gaps_table
from tests.integration.mirror.locks import terminate, wait_for_a_waiter
from tests.integration.mirror.messages import NODE, Results, life, message
from tests.patience import PATIENCE_SECONDS

JUNK = EventMessage(b"junk", datetime.now(UTC))

Writer = partial(writer_module.Writer, retry_seconds=(0.01, 0.05))
"""One that tries again at once."""


def success(task_id: str, **given: Any) -> StoredResult:
    usual: dict[str, Any] = {"result_json": "5", "retries": 0, "worker": NODE}
    return StoredResult(task_id, "SUCCESS", **(usual | given))


async def stored(engine: AsyncEngine) -> dict[str, tuple[str, bool]]:
    """Status of every task, and whether its result is still missing."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(tasks.c.task_id, tasks.c.status, tasks.c.result_pending))
        return {row.task_id: (row.status, row.result_pending) for row in rows}


async def test_a_batch_becomes_tasks_with_their_results_and_workers(engine: AsyncEngine) -> None:
    writer = Writer(engine, Results(success("a")))
    await writer.write([*life("a"), *life("b"), message("worker-heartbeat", active=1)])
    assert await stored(engine) == {"a": ("COMPLETED", False), "b": ("COMPLETED", True)}
    async with engine.connect() as connection:
        assert (await get_state(connection)).online_count == 1


async def test_the_same_batch_twice_changes_nothing(engine: AsyncEngine) -> None:
    writer, batch = Writer(engine, Results(success("a"))), life("a")
    await writer.write(batch)
    await writer.write(batch)
    assert await stored(engine) == {"a": ("COMPLETED", False)}


async def test_junk_in_a_batch_harms_nobody(engine: AsyncEngine) -> None:
    await Writer(engine, Results()).write([JUNK, *life("a"), message("task-started")])
    assert await stored(engine) == {"a": ("COMPLETED", True)}


async def test_a_batch_of_nothing_but_junk_is_done(engine: AsyncEngine) -> None:
    await Writer(engine, Results()).write([JUNK])
    assert await stored(engine) == {}


async def test_without_the_result_backend_results_are_pending(engine: AsyncEngine) -> None:
    results = Results(success("a"))
    results.available = False
    await Writer(engine, results).write(life("a"))
    assert await stored(engine) == {"a": ("COMPLETED", True)}


async def test_a_result_backend_that_does_not_answer_is_not_waited_for(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results()
    monkeypatch.setattr(results, "fetch", lambda task_ids: asyncio.Event().wait())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await Writer(engine, results, result_timeout_seconds=0.05).write(life("a"))
    assert await stored(engine) == {"a": ("COMPLETED", True)}


@pytest.mark.parametrize("bad", [{"result_json": "not json"}, {"exception_message": "\0", "exception_type": "X"}])
async def test_what_postgres_refuses_is_found_and_the_rest_is_stored(engine: AsyncEngine, bad: dict[str, str]) -> None:
    writer = Writer(engine, Results(success("good"), success("bad", **bad)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await writer.write([*life("good"), *life("bad"), *life("other")])
    assert await stored(engine) == {
        "good": ("COMPLETED", False),
        "bad": ("RUNNING", False),
        "other": ("COMPLETED", True),
    }
    async with engine.connect() as connection:
        assert (await connection.execute(select(task_results.c.task_id))).scalars().all() == ["good"]


async def test_a_batch_cut_off_in_the_middle_is_written_again(engine: AsyncEngine, database_url: str) -> None:
    await Writer(engine, Results()).write(life("a")[:1])
    async with asyncio.timeout(PATIENCE_SECONDS), engine.connect() as blocker:
        await task_rows.lock_tasks(blocker, ["a"])
        writing = asyncio.create_task(Writer(engine, Results()).write([*life("a"), *life("b")]))
        await terminate(engine, await wait_for_a_waiter(engine))
        await blocker.rollback()
        await writing
    assert await stored(engine) == {"a": ("COMPLETED", True), "b": ("COMPLETED", True)}


async def test_blindness_to_nodes_whose_events_wait_for_us_is_no_gap(engine: AsyncEngine) -> None:
    writer, now = Writer(engine, Results()), datetime.now(UTC)
    await writer.write([message("worker-heartbeat", streamed=True)])
    await writer.note_blindness(Blind(now, now))
    async with engine.connect() as connection:
        assert (await connection.execute(select(gaps_table))).all() == []
    await writer.note_blindness(Blind(now, now, streamed=True))
    async with engine.connect() as connection:
        assert await gaps.overlaps_gap(connection, since=now, until=now), "but what their stream has lost is one"


async def test_blindness_reaches_back_to_when_a_node_was_last_heard(engine: AsyncEngine) -> None:
    writer, now = Writer(engine, Results()), datetime.now(UTC)
    await writer.note_blindness(Blind(now, now))
    async with engine.connect() as connection:
        assert (await connection.execute(select(gaps_table))).all() == [], "nobody was there to be heard"
    await writer.write([message("worker-heartbeat")])
    since, until = now + timedelta(seconds=60), now + timedelta(seconds=90)
    await writer.note_blindness(Blind(since, until))
    async with engine.connect() as connection:
        assert await gaps.overlaps_gap(connection, since=now + timedelta(seconds=30), until=since)
        assert not await gaps.overlaps_gap(
            connection, since=until + timedelta(seconds=1), until=until + timedelta(days=1)
        )


@pytest.mark.parametrize(("age", "found"), [(29, {"a": ("COMPLETED", False)}), (31, {})])
async def test_old_news_does_not_bring_back_a_deleted_task(
    engine: AsyncEngine, age: int, found: dict[str, tuple[str, bool]]
) -> None:
    heard_at = datetime.now(UTC) - timedelta(days=age)
    writer = Writer(engine, Results(success("a")), forgets_after=timedelta(days=30))
    await writer.write([message("task-succeeded", uuid="a", name="add", timestamp=heard_at.timestamp())])
    assert await stored(engine) == found
    async with engine.connect() as connection:
        counted = await connection.execute(select(func.count()).select_from(events))
        assert counted.scalar_one() == len(found)


async def test_old_news_of_a_task_that_is_known_or_still_heard_of_counts(engine: AsyncEngine) -> None:
    writer, old = Writer(engine, Results(), forgets_after=timedelta(days=30)), datetime.now(UTC) - timedelta(days=31)
    await writer.write([message("task-received", uuid="a")])
    started = [message("task-started", 2, uuid=task_id, timestamp=old.timestamp()) for task_id in "abc"]
    await writer.write([*started, message("task-succeeded", 3, uuid="b")])
    assert await stored(engine) == {"a": ("RUNNING", False), "b": ("COMPLETED", True)}


class Unstorable:
    """Where Postgres refuses whatever concerns these tasks, though nothing can be seen of it beforehand."""

    def __init__(self, engine: AsyncEngine, *task_ids: str) -> None:
        self._engine, self._task_ids = engine, task_ids

    async def hold(self) -> None:
        listed = ", ".join(f"'{task_id}'" for task_id in self._task_ids)
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(f"alter table tasks add check (task_id not in ({listed}))")


async def test_one_event_that_postgres_refuses_holds_back_none_of_the_others(engine: AsyncEngine) -> None:
    await Unstorable(engine, "bad").hold()
    batch = [*life("a"), message("task-started", uuid="bad"), *life("b"), message("worker-heartbeat")]
    many = json.dumps([json.loads(item.body) for item in batch]).encode()
    written = await Writer(engine, Results()).write([*batch, EventMessage(many, datetime.now(UTC)), JUNK])
    assert await stored(engine) == {"a": ("COMPLETED", True), "b": ("COMPLETED", True)}
    assert (written.applied, written.refused) == (14, 3)
    async with engine.connect() as connection:
        assert (await get_state(connection)).online_count == 1


@pytest.mark.parametrize("error", [UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"), OverflowError(), KeyError("x")])
async def test_what_cannot_even_be_sent_to_postgres_is_not_tried_for_ever(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:

    async def fail_for_bad(connection: AsyncConnection, news: News, *, follow: Follows) -> object:
        if any(fact.task_id == "bad" for fact in news.facts):
            raise error
        return await record(connection, news, follow=follow)

    monkeypatch.setattr(writer_module, "record", fail_for_bad)
    async with asyncio.timeout(PATIENCE_SECONDS):
        written = await Writer(engine, Results()).write([*life("a"), message("task-started", uuid="bad"), *life("b")])
    assert (written.applied, written.refused) == (6, 1)
    assert set(await stored(engine)) == {"a", "b"}


async def test_a_flood_of_rubbish_is_told_in_one_line(
    engine: AsyncEngine,
) -> None:
    writer = Writer(engine, Results())
    with structlog.testing.capture_logs() as lines:
        for _ in range(50):
            assert (await writer.write([JUNK] * 10)).refused == 10
    assert [line["count"] for line in lines if line["event"] == "events_not_understood"] == [10]


async def test_no_date_makes_a_partition_or_a_task_of_another_time(engine: AsyncEngine) -> None:
    dated = {"a": 253402300799.0, "b": -62135596800.0, "c": 0.0, "d": 1e18}
    began = datetime.now(UTC)
    await Writer(engine, Results()).write(
        [message("task-received", uuid=task_id, timestamp=at) for task_id, at in dated.items()]
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(select(tasks.c.task_id, tasks.c.created_at, tasks.c.events_from))).all()
        default = await connection.exec_driver_sql("select count(*) from events_default")
        assert default.scalar_one() == 0
    assert {row.task_id for row in rows} == dated.keys()
    for row in rows:
        for at in (row.created_at, row.events_from):
            assert began - timedelta(seconds=1) <= at <= datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)


async def test_what_cannot_be_read_is_kept_as_a_reason_with_the_text_that_was_told(engine: AsyncEngine) -> None:
    told = {task_id: message("task-succeeded", 3, uuid=task_id, result=f"'{task_id}'") for task_id in "abcd"}
    sealed = [StoredResult("a", "SUCCESS", unreadable="is pickled"), StoredResult("b", "", unreadable="is odd")]
    writer = Writer(engine, Results(*sealed, success("c")))
    await writer.write([each for task_id in "abcd" for each in (*life(task_id)[:-1], told[task_id])])
    assert await stored(engine) == {
        "a": ("COMPLETED", False),
        "b": ("COMPLETED", False),
        "c": ("COMPLETED", False),
        "d": ("COMPLETED", True),
    }
    async with engine.connect() as connection:
        streamed = select(task_results.c.task_id, task_results.c.unreadable, task_results.c.result_repr)
        rows = {row.task_id: tuple(row)[1:] for row in await connection.execute(streamed)}
    assert rows == {"a": ("is pickled", "'a'"), "b": ("is odd", "'b'"), "c": (None, None), "d": (None, "'d'")}
    # What only the event has told is no result: the backend may still tell it, and then its word stands.
    await Writer(engine, Results(success("d"))).write(life("d"))
    async with engine.connect() as connection:
        assert (
            await connection.execute(select(task_results.c.result).where(task_results.c.task_id == "d"))
        ).scalar() == 5
