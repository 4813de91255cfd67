"""The feed is what the statuses of tasks were, one after another, however many write and read it at once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.facts import PUBLISHER, Fact
from domain.feed import ChangeType, Place, Told, write_cursor
from domain.identities import Identity
from domain.states import EventType, Status
from domain.workers.status import Heartbeat, worker_id_of
from services.feed import tell_drained, tell_presences, tell_workflow
from services.feed_reading import NOW, Reading, read_feed
from services.record import News, record
from store.engine import stating
from store.migrate import migrate
from store.queries import feed as statements
from store.queries.workers import nodes
from store.queries.workflows import progress
from store.tables.tasks import tasks
from tests.facts import TASK_ID, ours, told
from tests.patience import PATIENCE_SECONDS

RECEIVED, STARTED, RETRIED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED
SUCCEEDED, FAILED = EventType.SUCCEEDED, EventType.FAILED
WRITERS, TASKS = 4, 40
MONTH = timedelta(days=30)


async def tell(engine: AsyncEngine, *facts: Fact, identities: Sequence[Identity] = ()) -> None:
    async with engine.begin() as connection:
        await record(connection, News(facts, identities=identities))


async def read(engine: AsyncEngine, cursor: str | None = None, *, limit: int = 1_000) -> Reading:
    async with stating(engine) as connection:
        return await read_feed(connection, cursor, limit=limit)


async def told_of(engine: AsyncEngine) -> list[tuple[str, str | None, str | None]]:
    return [(change.type, change.previous, change.status) for change in (await read(engine)).changes]


async def test_each_change_of_a_status_is_told_once(engine: AsyncEngine) -> None:
    await tell(
        engine,
        ours(EventType.SUBMITTED, source=PUBLISHER),
        identities=[Identity(TASK_ID, task_name="shop.pay", queue_name="etl")],
    )
    assert await told_of(engine) == []
    steps = [[told(RECEIVED, 1)], [told(STARTED, 2)], [told(RETRIED, 3, exception="ValueError('no')")]]
    steps += [[told(RECEIVED, 4, retries=1)], [told(STARTED, 5)], [told(FAILED, 6, exception="KeyError('x')")]]
    for step in steps:
        await tell(engine, *step)
        await tell(engine, *step)  # what is heard twice changes nothing
    assert await told_of(engine) == [
        ("task.started", "PENDING", "RUNNING"),
        ("task.retrying", "RUNNING", "PENDING"),
        ("task.started", "PENDING", "RUNNING"),
        ("task.failed", "RUNNING", "FAILED"),
    ]
    last = (await read(engine)).changes[-1]
    assert (last.subject_id, last.task_name, last.queue_name) == (TASK_ID, "shop.pay", "etl")
    assert last.data["exception"] == "KeyError('x')"
    assert last.data["attempt"] == 2


async def test_what_is_rolled_back_is_not_told(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await record(connection, News([told(SUCCEEDED, 1)]))
    assert await told_of(engine) == []


async def test_nothing_is_told_before_what_may_still_come(engine: AsyncEngine) -> None:
    async with engine.begin() as earlier:
        await record(earlier, News([told(SUCCEEDED, 1)]))
        await tell(engine, told(FAILED, 1, task_id="later"))
        waiting = await read(engine)
        assert waiting.changes == []
    behind = await read(engine, write_cursor(waiting.epoch, waiting.ends))
    assert [change.subject_id for change in behind.changes] == [TASK_ID, "later"]


def life_of(number: int, chance: random.Random) -> list[Fact]:
    """What happens to one task, told in any order."""
    task_id, facts, clock = f"task-{number}", [], 1
    for retries in range(chance.randint(1, 3)):
        facts += [told(RECEIVED, clock, retries=retries, task_id=task_id), told(STARTED, clock + 1, task_id=task_id)]
        facts.append(told(chance.choice((RETRIED, FAILED, SUCCEEDED)), clock + 2, task_id=task_id))
        clock += 3
    chance.shuffle(facts)
    return facts


async def write_lives(engine: AsyncEngine, lives: Sequence[list[Fact]], *, chance: random.Random) -> None:
    """Commit the facts in small portions, some of them only after others have been committed."""
    facts = [fact for life in lives for fact in life]
    chance.shuffle(facts)
    while facts:
        portion = [facts.pop() for _ in range(min(len(facts), chance.randint(1, 4)))]
        async with engine.begin() as connection:
            await record(connection, News(portion))
            await connection.execute(select(func.pg_sleep(chance.random() / 200)))


async def follow(engine: AsyncEngine, done: asyncio.Event, *, limit: int) -> AsyncIterator[Told]:
    """Read on from the cursor of the reading before, as a program does that was restarted after each."""
    cursor = None
    while True:
        was_done = done.is_set()
        reading = await read(engine, cursor, limit=limit)
        for change in reading.changes:
            yield change
        cursor = write_cursor(reading.epoch, reading.ends)
        if was_done and reading.is_last:
            return
        await asyncio.sleep(0)


async def test_readers_beside_writers_miss_nothing_and_the_feed_replays_to_the_tasks(engine: AsyncEngine) -> None:
    chance = random.Random(17)
    lives = [life_of(number, chance) for number in range(TASKS)]
    done = asyncio.Event()

    async def collect(limit: int) -> list[Told]:
        return [change async for change in follow(engine, done, limit=limit)]

    async with asyncio.timeout(PATIENCE_SECONDS):
        readers = [asyncio.create_task(collect(limit)) for limit in (1, 7)]
        await asyncio.gather(*(write_lives(engine, lives[n::WRITERS], chance=chance) for n in range(WRITERS)))
        done.set()
        first, second = await asyncio.gather(*readers)
    assert first == second == (await read(engine)).changes
    assert len({change.place for change in first}) == len(first)
    statuses: dict[str, str | None] = {}
    counted: Counter[str] = Counter()
    for change in first:
        counted[change.subject_id] += 1
        assert change.sequence == counted[change.subject_id]
        assert change.previous == statuses.get(change.subject_id, "PENDING") != change.status
        statuses[change.subject_id] = change.status
    async with engine.connect() as connection:
        rows = await connection.execute(select(tasks.c.status, func.count()).group_by(tasks.c.status))
        counts = {row[0]: row[1] for row in rows if row[0] != "PENDING"}
    assert Counter(status for status in statuses.values() if status != "PENDING") == counts


async def test_a_reader_that_begins_now_is_told_what_comes(engine: AsyncEngine) -> None:
    await tell(engine, told(SUCCEEDED, 1))
    now = await read(engine, NOW)
    assert now.changes == []
    await tell(engine, told(FAILED, 1, task_id="later"))
    assert [change.subject_id for change in (await read(engine, write_cursor(now.epoch, now.ends))).changes] == [
        "later"
    ]


async def test_what_is_no_longer_kept_is_a_gap_for_who_has_not_read_it(engine: AsyncEngine) -> None:
    before = await read(engine, NOW)
    await tell(engine, told(SUCCEEDED, 1))
    old = (await read(engine)).changes[0].place
    async with engine.begin() as connection:
        await connection.execute(text("SELECT make_feed_partitions((now() AT TIME ZONE 'UTC')::date - 9, 1)"))
        await connection.execute(text("UPDATE feed SET at = at - interval '9 days'"))
    await tell(engine, told(FAILED, 1, task_id="later"))
    async with engine.begin() as connection:
        assert await statements.drop_oldest_day(connection, kept_for=timedelta(hours=72))
        assert await statements.drop_oldest_day(connection, kept_for=timedelta(hours=72)) is None
    cut = await read(engine, write_cursor(before.epoch, before.ends))
    assert (cut.gap_ends, [change.subject_id for change in cut.changes]) == (old, ["later"])
    assert (await read(engine, write_cursor(before.epoch, old))).gap_ends is None
    assert (await read(engine)).gap_ends is None


async def test_a_cursor_of_another_feed_begins_anew(engine: AsyncEngine, database_url: str) -> None:
    await tell(engine, told(SUCCEEDED, 1))
    cursor = write_cursor("0" * 12, (await read(engine)).ends)
    reading = await read(engine, cursor)
    assert (reading.is_reset, len(reading.changes)) == (True, 1)
    # A dump of a server that had counted more transactions.
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE feed SET xact = '9000000000000000000'"))
    await asyncio.to_thread(migrate, database_url)
    after = await read(engine, write_cursor(reading.epoch, reading.ends))
    assert (after.is_reset, after.changes) == (True, [])
    await asyncio.to_thread(migrate, database_url)
    assert (await read(engine)).epoch == after.epoch


async def test_what_lies_in_no_day_goes_with_age_too_oldest_first(engine: AsyncEngine) -> None:
    for number in range(3):
        await tell(engine, told(SUCCEEDED, 1, task_id=f"task-{number}"))
    places = [change.place for change in (await read(engine)).changes]
    async with engine.begin() as connection:
        # There is no partition for a day so long ago.
        await connection.execute(text("UPDATE feed SET at = at - interval '99 days' WHERE subject_id <> 'task-2'"))
        before = datetime.now(UTC) - timedelta(days=9)
        assert await statements.delete_strays(connection, before=before, batch_size=1) == 1
    assert (await read(engine, write_cursor((await read(engine)).epoch, Place(1, 0)))).gap_ends == places[0]
    async with engine.begin() as connection:
        assert await statements.delete_strays(connection, before=before, batch_size=5) == 1
        assert await statements.delete_strays(connection, before=before, batch_size=5) == 0
    reading = await read(engine, write_cursor((await read(engine)).epoch, Place(1, 0)))
    assert (reading.gap_ends, [change.place for change in reading.changes]) == (places[1], places[2:])
    assert reading.complete_since >= before


async def test_who_comes_and_goes_is_told_once_and_counted(engine: AsyncEngine) -> None:
    async def look() -> list[tuple[str, int | None]]:
        async with engine.begin() as connection:
            await tell_presences(connection)
        return [(change.type, change.sequence) for change in (await read(engine)).changes]

    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat("celery@a", now, now), Heartbeat("celery@b", now - MONTH, now - MONTH)])
    assert await look() == await look() == [("worker.online", 1)]
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat("celery@a", now, now, goodbye_at=now)])
        await tell_drained(connection, worker_id_of("celery@a"), node="celery@a")
    assert await look() == [("worker.online", 1), ("worker.drained", 2), ("worker.offline", 3)]


async def test_only_the_end_of_a_workflow_is_told(engine: AsyncEngine) -> None:
    workflow_id = uuid4()
    async with engine.begin() as connection:
        await tell_workflow(connection, workflow_id, status=Status.RUNNING, previous=Status.PENDING)
        for end in (Status.FAILED, Status.COMPLETED):
            await progress.add_event(connection, workflow_id, event_type=end.lower())
            await tell_workflow(connection, workflow_id, status=end, previous=Status.RUNNING)
    changes = (await read(engine)).changes
    assert {change.subject_id for change in changes} == {str(workflow_id)}
    expected = [(ChangeType.WORKFLOW_FAILED, 1), (ChangeType.WORKFLOW_COMPLETED, 2)]
    assert [(change.type, change.sequence) for change in changes] == expected
