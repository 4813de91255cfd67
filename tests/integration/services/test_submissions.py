import asyncio

from sqlalchemy import func, select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Overloaded
from domain.submissions import Submission
from services.resident.submission_batcher import SubmissionBatcher
from store.listener import OUTBOX, Listener
from store.queries.tasks.documents import get_task
from store.tables.tasks import events, outbox, task_arguments, tasks
from tests.submissions import make_submission


async def test_a_stored_submission_is_a_task_with_arguments_an_event_and_an_outbox_row(engine: AsyncEngine) -> None:
    submission = make_submission(args='[1234, "ü"]', kwargs='{"amount": 99.99}', priority=8, timeout_seconds=300)
    async with SubmissionBatcher(engine) as batcher:
        await batcher.store(submission)
    async with engine.connect() as connection:
        task = await get_task(connection, submission.task_id)
        event = (await connection.execute(select(events.c.event_type, events.c.details))).one()
        due = (await connection.execute(select(outbox.c.task_id, outbox.c.dispatch_no))).one()
    assert task is not None
    assert (task.status, task.phase, task.priority, task.timeout_seconds) == ("PENDING", "dispatching", 8, 300)
    assert (task.args, task.kwargs) == ([1234, "ü"], {"amount": 99.99})
    assert tuple(event) == ("submitted", {"scheduled": False})
    assert tuple(due) == (submission.task_id, 1)


async def test_concurrent_submissions_share_commits(engine: AsyncEngine) -> None:
    async with SubmissionBatcher(engine) as batcher:
        await asyncio.gather(*(batcher.store(make_submission()) for _ in range(300)))
    async with engine.connect() as connection:
        stored = (await connection.execute(select(func.count(), func.count(func.distinct(tasks.c.checked_at))))).one()
    # checked_at is now(), the time of the transaction: the first to come travels alone, the rest together.
    assert stored[0] == 300
    assert stored[1] <= 3


async def test_one_bad_submission_does_not_take_its_group_with_it(engine: AsyncEngine) -> None:
    good = [make_submission() for _ in range(5)]
    bad = make_submission(args="not json")
    async with SubmissionBatcher(engine) as batcher:
        outcomes = await asyncio.gather(*map(batcher.store, [*good, bad, *map(_again, good)]), return_exceptions=True)
    assert isinstance(outcomes.pop(5), DataError)
    assert outcomes == [None] * 10
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(task_arguments))).scalar_one() == 10


def _again(_: object) -> Submission:
    return make_submission()


async def test_a_caller_that_goes_away_does_not_disturb_the_others(engine: AsyncEngine) -> None:
    async with SubmissionBatcher(engine) as batcher:
        leaving = asyncio.create_task(batcher.store(make_submission()))
        staying = asyncio.create_task(batcher.store(make_submission()))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(tasks))).scalar_one() == 2


async def test_a_full_batcher_refuses_instead_of_growing(engine: AsyncEngine) -> None:
    async with SubmissionBatcher(engine, max_waiting=2) as batcher:
        outcomes = await asyncio.gather(*(batcher.store(make_submission()) for _ in range(4)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Overloaded) == 2


async def test_a_submission_wakes_who_listens(engine: AsyncEngine, database_url: str) -> None:
    async with Listener(database_url, OUTBOX) as listener, SubmissionBatcher(engine) as batcher:
        assert await listener.wait(5), "it is set once when the connection stands"
        await batcher.store(make_submission())
        assert await listener.wait(5)
        assert not await listener.wait(0.05)
