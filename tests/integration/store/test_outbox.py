import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.submissions import Submission
from store.listener import OUTBOX, Listener
from store.queries import outbox, submissions
from store.tables.tasks import outbox as outbox_table
from tests.submissions import make_submission


async def submit(engine: AsyncEngine, *given: Submission) -> Sequence[str]:
    """Store submissions; returns their ids."""
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, given)
    return [submission.task_id for submission in given]


async def due_ids(engine: AsyncEngine, *, batch_size: int = 100) -> list[str]:
    async with engine.begin() as connection:
        return [task.task_id for task in await outbox.claim_due(connection, batch_size=batch_size)]


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_claimed_row_has_all_that_its_message_needs(engine: AsyncEngine) -> None:
    await submit(engine, make_submission(args="[1]", kwargs='{"a": 2}', priority=9, timeout_seconds=30, max_retries=1))
    async with engine.begin() as connection:
        (task,) = await outbox.claim_due(connection, batch_size=10)
    assert (task.task_name, task.queue_name, task.args, task.kwargs) == ("celeriac.add", "celery", [1], {"a": 2})
    assert (task.priority, task.timeout_seconds, task.max_retries, task.dispatch_no) == (9, 30, 1, 1)
    assert task.cancel_requested_at is None


async def test_the_longest_due_comes_first_and_the_batch_is_bounded(engine: AsyncEngine) -> None:
    late, early, middle = (make_submission(created_at=in_seconds(-age)) for age in (1, 3, 2))
    await submit(engine, late, early, middle)
    assert await due_ids(engine, batch_size=2) == [early.task_id, middle.task_id]


async def test_a_scheduled_task_is_not_claimed_before_its_time(engine: AsyncEngine) -> None:
    await submit(engine, make_submission(scheduled_at=in_seconds(60)))
    assert await due_ids(engine) == []


async def test_two_who_claim_at_once_get_different_rows(engine: AsyncEngine) -> None:
    stored = await submit(engine, *(make_submission() for _ in range(10)))
    async with engine.begin() as one, engine.begin() as other:
        ours = await outbox.claim_due(one, batch_size=6)
        theirs = await outbox.claim_due(other, batch_size=6)
    assert (len(ours), len(theirs)) == (6, 4)
    assert {task.task_id for task in ours} | {task.task_id for task in theirs} == set(stored)


async def test_a_claim_that_is_rolled_back_leaves_the_rows_for_others(engine: AsyncEngine) -> None:
    stored = await submit(engine, make_submission())
    async with engine.connect() as connection:
        await outbox.claim_due(connection, batch_size=1)
        await connection.rollback()
    assert await due_ids(engine) == stored


async def test_a_dispatched_row_is_gone(engine: AsyncEngine) -> None:
    gone, stays = await submit(engine, make_submission(), make_submission())
    async with engine.begin() as connection:
        await outbox.delete_dispatched(connection, [gone])
    assert await due_ids(engine) == [stays]


async def test_withdrawing_takes_out_what_nobody_holds(engine: AsyncEngine) -> None:
    held, free = await submit(engine, make_submission(created_at=in_seconds(-1)), make_submission())
    async with engine.begin() as dispatcher, engine.begin() as canceller:
        await outbox.claim_due(dispatcher, batch_size=1)
        assert await outbox.withdraw(canceller, [held, free, "unknown"]) == {free}
    assert await due_ids(engine) == [held]


async def test_the_next_due_time_is_that_of_the_first_row_still_to_come(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await outbox.get_time_to_next_due(connection) is None
    await submit(
        engine,
        make_submission(),
        make_submission(scheduled_at=in_seconds(90)),
        make_submission(scheduled_at=in_seconds(30)),
    )
    async with engine.begin() as connection:
        left = await outbox.get_time_to_next_due(connection)
    assert left is not None
    assert 25 < left.total_seconds() <= 30


async def test_a_row_that_falls_due_between_the_claim_and_the_question_is_not_overlooked(engine: AsyncEngine) -> None:
    due_soon = make_submission(scheduled_at=in_seconds(0.3))
    await submit(engine, due_soon)
    async with engine.begin() as connection:
        assert await outbox.claim_due(connection, batch_size=10) == []
        await asyncio.sleep(0.35)
        left = await outbox.get_time_to_next_due(connection)
    assert left is not None
    assert left < timedelta(0)


async def test_putting_back_makes_it_due_at_once_under_its_number_and_wakes_dispatchers(
    engine: AsyncEngine, database_url: str
) -> None:
    (task_id,) = await submit(engine, make_submission())
    async with engine.begin() as connection:
        await outbox.delete_dispatched(connection, [task_id])
    async with Listener(database_url, OUTBOX) as listener:
        assert await listener.wait(5)
        async with engine.begin() as connection:
            await outbox.put_back(connection, {task_id: 2})
        assert await listener.wait(5)
    async with engine.begin() as connection:
        (task,) = await outbox.claim_due(connection, batch_size=10)
    assert (task.task_id, task.dispatch_no) == (task_id, 2)


async def test_what_is_in_the_outbox_already_is_not_put_back(engine: AsyncEngine) -> None:
    (task_id,) = await submit(engine, make_submission())
    async with engine.begin() as connection:
        await outbox.put_back(connection, {task_id: 2})
        assert (await connection.execute(select(outbox_table.c.dispatch_no))).scalars().all() == [1]


async def test_large_arguments_are_claimed_a_few_at_a_time_and_small_ones_do_not_wait_for_them(
    engine: AsyncEngine,
) -> None:
    large = [make_submission(args=json.dumps(["x" * 1_000_000]), created_at=in_seconds(-9 + n)) for n in range(8)]
    small = make_submission(created_at=in_seconds(-1))
    await submit(engine, *large, small)
    claimed: list[str] = []
    async with engine.begin() as connection:
        first = await outbox.claim_due(connection, batch_size=100)
        assert small.task_id in {task.task_id for task in first}
        assert sum(len(str(task.args)) for task in first) <= outbox.CLAIMED_BYTES + 2 * 1024 * 1024
        left = await outbox.get_time_to_next_due(connection)
        assert left is not None
        assert left <= timedelta(0)  # the next round is at once
        await outbox.delete_dispatched(connection, [task.task_id for task in first])
        claimed += [task.task_id for task in first]
    while rest := await due_ids(engine):
        async with engine.begin() as connection:
            await outbox.delete_dispatched(connection, rest)
        claimed += rest
    assert sorted(claimed) == sorted(task.task_id for task in [*large, small])


async def test_arguments_larger_than_a_claim_holds_are_claimed_all_the_same(engine: AsyncEngine) -> None:
    one = make_submission(args=json.dumps([list(range(50_000))]), kwargs='{"a": 1}')
    await submit(engine, one)
    async with engine.begin() as connection:
        (task,) = await outbox.claim_due(connection, batch_size=10, claimed_bytes=1_000)
    assert (task.args, task.kwargs) == ([list(range(50_000))], {"a": 1})
