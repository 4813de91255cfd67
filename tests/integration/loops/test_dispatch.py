"""The dispatcher on a real outbox, with a broker in memory: what it holds back, and how it waits for the broker."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.breakers import OPEN_AFTER, OPEN_AFTER_FAILURES
from domain.degradation import COMPONENTS, NO_MARKS, Mark, Marks, Strategy
from domain.errors import BrokerUnavailable
from domain.refusals import Refusal
from gateway.messages import TaskMessage
from gateway.publisher import Published
from loops.dispatch import DispatchRound, RefusedRound
from services.cancels.cancel import request_cancel
from store.queries import submissions
from store.tables.tasks import outbox
from tests.authors import AUTHOR
from tests.fakes.gateway import FakeBroker, FakePublisher, FakeQueueReader
from tests.submissions import make_submission


class World:
    """A dispatcher and what it meets."""

    def __init__(self, engine: AsyncEngine, *, open_after: timedelta = OPEN_AFTER) -> None:
        self.broker = FakeBroker()
        self.marks: Marks = NO_MARKS
        self.engine = engine
        self.round = DispatchRound(
            engine,
            FakePublisher(self.broker),
            marks=self,
            broker=FakeQueueReader(self.broker),
            open_after=open_after,
        )

    def current(self) -> Marks:
        return self.marks

    async def fresh(self) -> Marks:
        return self.marks

    def mark(self, *service_names: str, strategy: Strategy = Strategy.QUEUE_ONLY) -> None:
        until = datetime.now(UTC) + timedelta(minutes=5)
        self.marks = {name: Mark(name, strategy, until) for name in service_names}

    async def submit(self, **given: str) -> str:
        submission = make_submission(**given)
        async with self.engine.begin() as connection:
            await submissions.add_submissions(connection, [submission])
        return submission.task_id

    async def make_due(self, task_id: str) -> None:
        async with self.engine.begin() as connection:
            wanted = update(outbox).where(outbox.c.task_id == task_id)
            await connection.execute(wanted.values(due_at=datetime.now(UTC)))

    async def cancel(self, task_id: str) -> bool:
        async with self.engine.begin() as connection:
            return (await request_cancel(connection, task_id, author=AUTHOR)).certain

    async def dispatched(self) -> set[str]:
        """What one round hands over."""
        self.broker.queues.clear()
        await self.round.run_once()
        return {message.task_id for queue in self.broker.queues.values() for message in queue}


@pytest.fixture
def world(engine: AsyncEngine) -> World:
    return World(engine)


@pytest.mark.parametrize("component", COMPONENTS)
async def test_queue_only_of_a_component_holds_all_work_until_the_mark_ends(world: World, component: str) -> None:
    task_id = await world.submit()
    world.mark(component)
    assert await world.dispatched() == set()
    world.mark()
    assert await world.dispatched() == {task_id}


async def test_queue_only_of_a_queue_or_a_name_holds_its_own_work_and_lets_the_rest_pass(world: World) -> None:
    held = {await world.submit(queue_name="emails"), await world.submit(task_name="app.pay")}
    free = await world.submit()
    world.mark("queue:emails", "task:app.pay", "queue:celer")
    assert await world.dispatched() == {free}
    world.mark("task:app.pay", "queue:emails", strategy=Strategy.FAIL_FAST)
    assert await world.dispatched() == held


async def test_work_that_is_held_back_can_be_cancelled_and_never_runs(world: World) -> None:
    task_id = await world.submit()
    world.mark("workers")
    assert await world.cancel(task_id)
    world.mark()
    assert await world.dispatched() == set()


async def test_while_the_breaker_is_open_the_broker_is_asked_and_no_row_is_claimed(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(engine, open_after=timedelta(0))
    task_id = await world.submit()
    world.broker.available = False
    claimed = _count_publishes(monkeypatch)
    for _ in range(OPEN_AFTER_FAILURES + 3):
        with pytest.raises(BrokerUnavailable):
            await world.round.run_once()
    assert len(claimed) == OPEN_AFTER_FAILURES
    world.broker.available = True
    assert await world.dispatched() == {task_id}
    another = await world.submit()
    assert await world.dispatched() == {another}


async def test_what_was_refused_is_offered_apart_and_held_back_like_all_else(world: World) -> None:
    world.broker.refusals = {"cart": Refusal("WRONGTYPE")}
    refused = await world.submit(queue_name="cart")
    assert await world.dispatched() == set()
    again = RefusedRound(world.engine, FakePublisher(world.broker), marks=world)
    world.broker.refusals = {}
    await world.make_due(refused)
    assert await world.dispatched() == set(), "the others would wait for it"
    world.mark("queue:cart")
    await again.run_once()
    world.mark("broker")
    assert await again.run_once() > 0
    assert world.broker.queues["cart"] == []
    world.mark()
    assert await again.run_once() == 0, "more of its queue may be due now"
    assert [message.task_id for message in world.broker.queues["cart"]] == [refused]
    assert await again.run_once() > 0


def _count_publishes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    claimed: list[int] = []
    publish = FakePublisher.publish

    async def counting(self: FakePublisher, messages: Sequence[TaskMessage], **options: Any) -> Published:
        claimed.append(len(messages))
        return await publish(self, messages, **options)

    monkeypatch.setattr(FakePublisher, "publish", counting)
    return claimed
