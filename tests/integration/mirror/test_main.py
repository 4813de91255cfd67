import asyncio
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.connection import redis_client
from gateway.events import EventSubscriber
from mirror.main import MAX_BATCH, mirror_events
from mirror.writer import Writer
from services.counters import Counters
from services.signs_of_life import SignOfLife
from store.queries import gaps
from store.tables import tasks
from tests.fakes.gateway import FakeEventSubscriber
from tests.integration.mirror.locks import wait_for_a_waiter
from tests.integration.mirror.messages import Results, life, message

LIMIT_SECONDS = 20
NOWHERE = redis_client("redis://127.0.0.1:1/0")
UNTOLD, UNCOUNTED = SignOfLife(NOWHERE, "mirror"), Counters(NOWHERE)
"""Never entered, so nobody is told."""


async def mirror(engine: AsyncEngine, subscriber: FakeEventSubscriber, stopping: asyncio.Event) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        writer = Writer(engine, Results())
        heard = cast(EventSubscriber, subscriber)
        await mirror_events(heard, writer, stopping, life=UNTOLD, counters=UNCOUNTED)


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(tasks))).scalar_one()


async def acknowledged(subscriber: FakeEventSubscriber, bodies: int) -> None:
    """Wait until so many bodies are acknowledged."""
    for _ in range(100 * LIMIT_SECONDS):
        if subscriber.acknowledged == bodies:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{subscriber.acknowledged} of {bodies} are acknowledged")


async def test_what_has_arrived_is_written_before_it_stops(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    bodies = [message("task-received", uuid=f"task-{nth}") for nth in range(2 * MAX_BATCH)]
    subscriber.hear(*bodies)
    stopping.set()
    await mirror(engine, subscriber, stopping)
    assert (await count(engine), subscriber.acknowledged) == (len(bodies), len(bodies))


async def test_it_goes_on_until_it_is_told_to_stop(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    mirroring = asyncio.create_task(mirror(engine, subscriber, stopping))
    for nth in range(3):
        subscriber.hear(*life(f"task-{nth}"))
        await acknowledged(subscriber, 3 * (nth + 1))
        assert await count(engine) == nth + 1
    assert not mirroring.done()
    stopping.set()
    await mirroring


async def test_nothing_is_acknowledged_before_it_is_committed(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    subscriber.hear(*life("a"))
    async with engine.connect() as blocker:
        await blocker.exec_driver_sql("lock table events in access exclusive mode")
        mirroring = asyncio.create_task(mirror(engine, subscriber, stopping))
        await wait_for_a_waiter(engine)
        assert subscriber.acknowledged == 0
        await blocker.rollback()
    stopping.set()
    await mirroring
    assert subscriber.acknowledged == 3


async def test_a_blind_stretch_is_noted_in_its_place(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    subscriber.hear(message("worker-heartbeat"))
    now = datetime.now(UTC)
    subscriber.go_blind(now, now)
    stopping.set()
    await mirror(engine, subscriber, stopping)
    async with engine.connect() as connection:
        assert await gaps.overlaps_gap(connection, since=now, until=now)
