import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import BlockedWork
from domain.errors import BrokerUnavailable
from domain.refusals import PARKED_AFTER, PARKED_PAUSE, Refusal
from domain.states import EventType
from gateway.messages import TaskMessage
from gateway.publisher import NO_LISTS, Published, QueueLists
from services.cancels.cancel import request_cancel
from services.dispatch import DOUBTFUL_PAUSE, Dispatched, await_rounds, dispatch_due, dispatch_refused
from services.record import News, record
from store.queries import for_dashboard, submissions
from store.queries.tasks.documents import get_task
from store.tables.tasks import events as events_table
from store.tables.tasks import outbox, tasks
from tests.authors import AUTHOR
from tests.facts import told
from tests.fakes.gateway import FakeBroker, FakePublisher
from tests.submissions import make_submission


async def submit(engine: AsyncEngine, **given: object) -> str:
    submission = make_submission(**given)
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
    return submission.task_id


async def dispatch(
    engine: AsyncEngine, broker: FakeBroker, *, doubtful_pause: timedelta = DOUBTFUL_PAUSE
) -> Dispatched:
    async with engine.begin() as connection:
        return await dispatch_due(connection, FakePublisher(broker), doubtful_pause=doubtful_pause)


async def waiting(engine: AsyncEngine) -> list[str]:
    """Ids in the outbox."""
    async with engine.connect() as connection:
        return list((await connection.execute(select(outbox.c.task_id))).scalars())


async def phase(engine: AsyncEngine, task_id: str) -> tuple[str, str]:
    async with engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    return task.status, task.phase


async def test_a_published_task_is_queued_and_out_of_the_outbox(engine: AsyncEngine) -> None:
    broker, before = FakeBroker(), datetime.now(UTC)
    task_id = await submit(engine, args="[1]", kwargs='{"a": 2}', queue_name="math", priority=7, timeout_seconds=9)
    assert await dispatch(engine, broker) == Dispatched(claimed=1, published=1, cancelled=0)
    (message,) = broker.queues["math"]
    assert (message.task_id, message.args, message.kwargs, message.priority) == (task_id, [1], {"a": 2}, 7)
    assert (message.timeout_seconds, message.max_retries, message.dispatch_no) == (9, 3, 1)
    assert (await waiting(engine), await phase(engine, task_id)) == ([], ("PENDING", "queued"))
    async with engine.connect() as connection:
        dispatched = events_table.c.event_type == EventType.DISPATCHED
        at = (await connection.execute(select(events_table.c.occurred_at).where(dispatched))).scalar_one()
    assert before <= at <= datetime.now(UTC)


async def test_nothing_due_is_nothing_done(engine: AsyncEngine) -> None:
    task_id = await submit(engine, scheduled_at=datetime.now(UTC) + timedelta(seconds=60))
    assert await dispatch(engine, FakeBroker(available=False)) == Dispatched(claimed=0, published=0, cancelled=0)
    assert await phase(engine, task_id) == ("PENDING", "scheduled")


async def test_a_doubtful_publish_stays_and_goes_again_as_the_same_message(engine: AsyncEngine) -> None:
    doubtful, sound = await submit(engine), await submit(engine)
    broker = FakeBroker(doubtful={doubtful})
    assert await dispatch(engine, broker, doubtful_pause=timedelta(0)) == Dispatched(
        claimed=2, published=1, cancelled=0
    )
    assert (await waiting(engine), await phase(engine, sound)) == ([doubtful], ("PENDING", "queued"))
    assert await phase(engine, doubtful) == ("PENDING", "dispatching")
    broker.doubtful.clear()
    await dispatch(engine, broker)
    first, again = (message for message in broker.queues["celery"] if message.task_id == doubtful)
    assert first == again


async def test_a_doubtful_publish_goes_again_only_after_a_pause(engine: AsyncEngine) -> None:
    doubtful = await submit(engine)
    broker = FakeBroker(doubtful={doubtful})
    await dispatch(engine, broker)
    assert await dispatch(engine, broker) == Dispatched(claimed=0, published=0, cancelled=0)
    assert await waiting(engine) == [doubtful]


async def test_without_a_broker_everything_stays(engine: AsyncEngine) -> None:
    task_id = await submit(engine)
    with pytest.raises(BrokerUnavailable):
        await dispatch(engine, FakeBroker(available=False))
    assert (await waiting(engine), await phase(engine, task_id)) == ([task_id], ("PENDING", "dispatching"))


async def test_a_task_cancelled_meanwhile_ends_instead_of_being_published(engine: AsyncEngine) -> None:
    cancelled, wanted = await submit(engine), await submit(engine)
    async with engine.begin() as connection:
        mine = update(tasks).where(tasks.c.task_id == cancelled)
        await connection.execute(mine.values(cancel_requested_at=datetime.now(UTC)))
    broker = FakeBroker()
    assert await dispatch(engine, broker) == Dispatched(claimed=2, published=1, cancelled=1)
    assert [message.task_id for message in broker.queues["celery"]] == [wanted]
    assert (await waiting(engine), await phase(engine, cancelled)) == ([], ("CANCELLED", "finished"))


async def test_the_worker_may_be_heard_before_the_dispatch_is_recorded(engine: AsyncEngine) -> None:
    task_id = await submit(engine)
    async with engine.begin() as connection:
        await record(connection, News([told(EventType.RECEIVED, 1, task_id=task_id)]))
    await dispatch(engine, FakeBroker())
    assert await phase(engine, task_id) == ("PENDING", "reserved")


async def offer_again(engine: AsyncEngine, broker: FakeBroker) -> Dispatched:
    """As if the pause of every refused task were over."""
    async with engine.begin() as connection:
        await connection.execute(update(outbox).where(outbox.c.refusals > 0).values(due_at=datetime.now(UTC)))
        return await dispatch_refused(connection, FakePublisher(broker))


async def refused_row(engine: AsyncEngine, task_id: str) -> tuple[int, str | None, bool]:
    """How often, why, and whether it is parked."""
    async with engine.connect() as connection:
        row = (await connection.execute(select(outbox).where(outbox.c.task_id == task_id))).one()
    return row.refusals, row.refusal, row.parked_at is not None


async def test_what_the_broker_refuses_leaves_the_batches_of_the_others_at_once(engine: AsyncEngine) -> None:
    broker = FakeBroker(refusals={"cart": Refusal("WRONGTYPE")})
    refused = [await submit(engine, queue_name="cart") for _ in range(3)]
    good = await submit(engine)
    assert await dispatch(engine, broker) == Dispatched(claimed=4, published=1, cancelled=0, refused=3)
    assert await phase(engine, good) == ("PENDING", "queued")
    assert await refused_row(engine, refused[0]) == (1, "WRONGTYPE", False)
    async with engine.begin() as connection:
        await connection.execute(update(outbox).values(due_at=datetime.now(UTC) - timedelta(hours=1)))
    assert await dispatch(engine, broker) == Dispatched(claimed=0, published=0, cancelled=0)


async def test_a_task_that_is_refused_again_and_again_is_parked_with_its_reason_and_can_be_cancelled(
    engine: AsyncEngine,
) -> None:
    broker = FakeBroker(refusals={"cart": Refusal("WRONGTYPE")})
    task_id = await submit(engine, queue_name="cart")
    await dispatch(engine, broker)
    for refusals in range(2, PARKED_AFTER + 1):
        assert not (await refused_row(engine, task_id))[2]
        assert (await offer_again(engine, broker)).refused == 1
        assert (await refused_row(engine, task_id))[0] == refusals
    assert await refused_row(engine, task_id) == (PARKED_AFTER, "WRONGTYPE", True)
    async with engine.connect() as connection:
        row = (await connection.execute(select(outbox.c.due_at))).scalar_one()
        assert await for_dashboard.count_undispatched(connection) == (1, 1)
    assert row > datetime.now(UTC) + PARKED_PAUSE / 2
    async with engine.begin() as connection:
        assert (await request_cancel(connection, task_id, author=AUTHOR)).certain
    assert (await waiting(engine), await phase(engine, task_id)) == ([], ("CANCELLED", "finished"))


async def test_when_the_broker_takes_one_again_the_others_of_its_queue_are_due_at_once(engine: AsyncEngine) -> None:
    broker = FakeBroker(refusals={"cart": Refusal("WRONGTYPE"), "box": Refusal("WRONGTYPE")})
    first, second = await submit(engine, queue_name="cart"), await submit(engine, queue_name="cart")
    other = await submit(engine, queue_name="box")
    await dispatch(engine, broker)
    del broker.refusals["cart"]
    async with engine.begin() as connection:
        now = datetime.now(UTC)
        await connection.execute(update(outbox).where(outbox.c.task_id == first).values(due_at=now))
        await connection.execute(update(outbox).where(outbox.c.task_id == second).values(due_at=now + PARKED_PAUSE))
        await connection.execute(update(outbox).where(outbox.c.task_id == other).values(due_at=now + PARKED_PAUSE))
    for published in (1, 1, 0):
        async with engine.begin() as connection:
            assert (await dispatch_refused(connection, FakePublisher(broker))).published == published
    assert await waiting(engine) == [other]


async def test_a_mark_that_is_set_while_rows_are_claimed_holds(engine: AsyncEngine) -> None:
    held, free = await submit(engine, queue_name="emails"), await submit(engine)
    marks = iter([BlockedWork(), BlockedWork(queue_names=frozenset({"emails"}))])
    broker = FakeBroker()

    async def held_now() -> BlockedWork:
        return next(marks)

    async with engine.begin() as connection:
        await dispatch_due(connection, FakePublisher(broker), blocked=held_now)
    assert ([message.task_id for message in broker.queues["celery"]], broker.queues["emails"]) == ([free], [])
    assert await waiting(engine) == [held]


class Hesitating(FakePublisher):
    """Begins to publish, and goes on when it is told to."""

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__(broker)
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def publish(self, messages: Sequence[TaskMessage], *, lists: QueueLists = NO_LISTS) -> Published:
        self.begun.set()
        await self.may_go_on.wait()
        return await super().publish(messages, lists=lists)


async def test_whoever_waits_for_the_rounds_is_let_go_when_the_batch_that_is_being_handed_over_has_ended(
    engine: AsyncEngine,
) -> None:
    await submit(engine)
    publisher = Hesitating(FakeBroker())

    async def run_round() -> None:
        async with engine.begin() as connection:
            await dispatch_due(connection, publisher)

    dispatching = asyncio.create_task(run_round())
    await publisher.begun.wait()
    waiting_for_it = asyncio.create_task(await_rounds(engine))
    done, _ = await asyncio.wait({waiting_for_it}, timeout=0.5)
    assert not done, "the batch was not waited for"
    publisher.may_go_on.set()
    await asyncio.wait_for(asyncio.gather(dispatching, waiting_for_it), timeout=30)
    await asyncio.wait_for(await_rounds(engine), timeout=30)
