from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import TaskNotFinished
from domain.facts import Fact
from domain.replays import Replay
from domain.results import StoredResult
from domain.states import EventType
from services.lost.missed_ends import NEVER_RECEIVED, RESULT_PATIENCE, Swept, find_silent, repair, return_to_outbox
from services.record import News, record
from services.replay import replay
from services.timeline import read_task_history
from store.queries import submissions
from store.queries.lost import doubts
from store.tables.tasks import outbox, tasks
from tests.authors import AUTHOR
from tests.facts import told
from tests.submissions import make_submission

DISPATCHED, LOST, STARTED = EventType.DISPATCHED, EventType.LOST, EventType.STARTED
LONG_AGO = datetime.now(UTC) - 2 * NEVER_RECEIVED


def dispatch_fact(task_id: str, dispatch_no: int = 1, *, at: datetime = LONG_AGO) -> Fact:
    return Fact(task_id, DISPATCHED, at, f"{DISPATCHED}:{dispatch_no}", details={"dispatch_no": dispatch_no})


async def add_dispatched(engine: AsyncEngine, *more: EventType, at: datetime = LONG_AGO) -> str:
    """A task dispatched a while ago of which nothing was heard since but `more`."""
    submission = make_submission(created_at=at)
    task_id = submission.task_id
    facts = [told(event_type, clock, task_id=task_id) for clock, event_type in enumerate(more, start=1)]
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
        await connection.execute(outbox.delete().where(outbox.c.task_id == task_id))
        await record(connection, News([dispatch_fact(task_id, at=at), *facts]))
        mine = update(tasks).where(tasks.c.task_id == task_id)
        await connection.execute(mine.values(checked_at=LONG_AGO))
    return task_id


async def sweep(engine: AsyncEngine, *results: StoredResult, now: datetime | None = None) -> Swept:
    async with engine.begin() as connection:
        silent = await find_silent(connection)
        found = {result.task_id: result for result in results}
        return await repair(connection, silent, results=found, now=now or datetime.now(UTC))


async def status(engine: AsyncEngine, task_id: str) -> tuple[str, bool]:
    async with engine.connect() as connection:
        found = select(tasks.c.status, tasks.c.result_pending).where(tasks.c.task_id == task_id)
        row = (await connection.execute(found)).one()
    return row.status, row.result_pending


async def in_outbox(engine: AsyncEngine) -> Sequence[tuple[str, int]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(select(outbox.c.task_id, outbox.c.dispatch_no))]


async def give_back(engine: AsyncEngine, *task_ids: str) -> frozenset[str]:
    async with engine.begin() as connection:
        return await return_to_outbox(connection, dict.fromkeys(task_ids, "every worker was asked"))


async def test_an_end_that_the_backend_knows_is_repaired(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine, STARTED)
    swept = await sweep(engine, StoredResult(task_id, "SUCCESS", result_json="5", date_done=datetime.now(UTC)))
    assert (swept.looked_at, swept.repaired, swept.unreceived) == (1, frozenset({task_id}), ())
    assert await status(engine, task_id) == ("COMPLETED", False)
    async with engine.connect() as connection:
        assert not (await read_task_history(connection, task_id)).complete


@pytest.mark.parametrize("state", ["STARTED", "RETRY", "REVOKED"])
async def test_a_state_that_proves_no_end_is_a_sign_of_life(engine: AsyncEngine, state: str) -> None:
    task_id = await add_dispatched(engine)
    swept = await sweep(engine, StoredResult(task_id, state))
    assert (swept.repaired, swept.unreceived) == (frozenset(), ())
    assert await status(engine, task_id) == ("PENDING", False)


@pytest.mark.parametrize(("state", "ends_as"), [("SUCCESS", "COMPLETED"), ("FAILURE", "FAILED"), ("", "PENDING")])
async def test_a_result_that_nobody_can_read_proves_that_its_task_ran(
    engine: AsyncEngine, state: str, ends_as: str
) -> None:
    task_id = await add_dispatched(engine)
    swept = await sweep(engine, StoredResult(task_id, state, unreadable="is pickled"))
    assert swept.unreceived == ()
    assert await status(engine, task_id) == (ends_as, False)


async def test_what_was_dispatched_long_ago_and_never_received_may_be_lost(engine: AsyncEngine) -> None:
    silent = await add_dispatched(engine)
    await add_dispatched(engine, STARTED)
    await add_dispatched(engine, at=datetime.now(UTC) - NEVER_RECEIVED + timedelta(seconds=20))
    swept = await sweep(engine)
    assert (swept.looked_at, [task.task_id for task in swept.unreceived]) == (3, [silent])


async def test_what_was_looked_at_has_its_rest(engine: AsyncEngine) -> None:
    await add_dispatched(engine)
    await sweep(engine)
    assert (await sweep(engine)).looked_at == 0


async def test_a_missing_result_is_waited_for_and_then_given_up(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine, EventType.SUCCEEDED)
    ended = told(EventType.SUCCEEDED, 1).at
    await sweep(engine, now=ended + RESULT_PATIENCE)
    assert await status(engine, task_id) == ("COMPLETED", True)
    async with engine.begin() as connection:
        await connection.execute(update(tasks).values(checked_at=LONG_AGO))
    await sweep(engine, now=ended + RESULT_PATIENCE + timedelta(seconds=1))
    assert await status(engine, task_id) == ("COMPLETED", False)


async def test_a_lost_dispatch_goes_back_to_the_outbox_under_the_next_number(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine)
    assert await give_back(engine, task_id, "unknown") == {task_id}
    assert await in_outbox(engine) == [(task_id, 2)]
    async with engine.connect() as connection:
        history = await read_task_history(connection, task_id)
    assert history.task.phase == "dispatching"
    assert [entry.type for entry in history.entries] == [EventType.SUBMITTED, DISPATCHED, LOST]


@pytest.mark.parametrize("heard", [EventType.RECEIVED, STARTED, EventType.SUCCEEDED])
async def test_a_task_of_which_anything_was_heard_is_not_lost(engine: AsyncEngine, heard: EventType) -> None:
    task_id = await add_dispatched(engine, heard)
    assert await give_back(engine, task_id) == frozenset()
    assert await in_outbox(engine) == []


async def test_a_loss_found_by_two_is_one_loss(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine)
    assert [await give_back(engine, task_id), await give_back(engine, task_id)] == [{task_id}, frozenset()]
    assert await in_outbox(engine) == [(task_id, 2)]


async def test_a_task_dispatched_again_meanwhile_is_not_lost(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine)
    await give_back(engine, task_id)
    async with engine.begin() as connection:
        await connection.execute(outbox.delete())
        await record(connection, News([dispatch_fact(task_id, 2, at=datetime.now(UTC))]))
    assert await give_back(engine, task_id) == frozenset()
    assert await in_outbox(engine) == []


async def test_a_second_dispatch_may_be_lost_like_the_first(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine)
    async with engine.begin() as connection:
        lost = Fact(task_id, LOST, LONG_AGO, f"{LOST}:1", details={"dispatch_no": 1})
        await record(connection, News([lost, dispatch_fact(task_id, 2)]))
    assert await give_back(engine, task_id) == {task_id}
    assert await in_outbox(engine) == [(task_id, 3)]


async def test_a_task_that_is_nowhere_to_be_found_can_be_replayed_though_it_has_not_ended(engine: AsyncEngine) -> None:
    task_id = await add_dispatched(engine)
    new = Replay(task_id=make_submission().task_id, created_at=datetime.now(UTC), default_queue="celery", changes={})
    async with engine.connect() as connection:
        with pytest.raises(TaskNotFinished):
            await replay(connection, task_id, new=new, author=AUTHOR)
    async with engine.begin() as connection:
        await doubts.note(connection, {task_id: "who knows"})
    async with engine.begin() as connection:
        assert (await replay(connection, task_id, new=new, author=AUTHOR)).original_task_id == task_id
        assert (await connection.execute(doubts.counts_by_queue)).all() == [("celery", 1)]


async def test_a_doubt_is_gone_when_the_task_goes_on(engine: AsyncEngine) -> None:
    waiting, found, running = [await add_dispatched(engine) for _ in range(3)]
    async with engine.begin() as connection:
        await doubts.note(connection, dict.fromkeys((waiting, found, running), "who knows"))
        await record(connection, News([told(STARTED, 1, task_id=running)]))
        await doubts.forget(connection, [found])
        assert [await doubts.is_doubted(connection, task_id) for task_id in (waiting, found, running)] == [
            True,
            False,
            False,
        ]


async def test_nothing_lost_is_nothing_done(engine: AsyncEngine) -> None:
    assert await give_back(engine, "unknown") == frozenset()
