import asyncio
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

import pytest
from redis.exceptions import ResponseError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from background import EXIT_CODE, end
from domain.redis_keys import STREAM_KEY
from gateway.connection import redis_client
from gateway.events.subscriber import EventSubscriber
from mirror.main import MAX_BATCH, mirror_events, run
from mirror.writer import Writer
from services.resident.counters import Counters
from services.resident.signs_of_life import SignOfLife
from settings import Settings
from store.queries import gaps
from store.tables.tasks import tasks
from tests.fakes.gateway import FakeEventSubscriber
from tests.integration.mirror.locks import wait_for_a_waiter
from tests.integration.mirror.messages import Results, life, message
from tests.patience import PATIENCE_SECONDS, until

NOWHERE = redis_client("redis://127.0.0.1:1/0")
UNTOLD, UNCOUNTED = SignOfLife(NOWHERE, "mirror"), Counters(NOWHERE)
"""Never entered, so nobody is told."""


async def mirror(
    engine: AsyncEngine,
    subscriber: FakeEventSubscriber,
    *,
    stopping: asyncio.Event,
    writer: Writer | None = None,
    stop_seconds: float = PATIENCE_SECONDS,
) -> None:
    """What is mirrored is not judged by the time that this machine takes for it, unless `stop_seconds` says so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await mirror_events(
            cast(EventSubscriber, subscriber),
            writer or Writer(engine, Results()),
            stopping=stopping,
            life=UNTOLD,
            counters=UNCOUNTED,
            stop_seconds=stop_seconds,
        )


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(tasks))).scalar_one()


async def acknowledged(subscriber: FakeEventSubscriber, bodies: int) -> None:
    """Wait until so many bodies are acknowledged."""
    await until(lambda: subscriber.acknowledged == bodies, f"{bodies} bodies are acknowledged")


async def test_what_has_arrived_is_written_before_it_stops(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    bodies = [message("task-received", uuid=f"task-{nth}") for nth in range(MAX_BATCH + 1)]
    subscriber.hear(*bodies)
    stopping.set()
    await mirror(engine, subscriber, stopping=stopping)
    assert (await count(engine), subscriber.acknowledged) == (len(bodies), len(bodies))


async def test_what_takes_too_long_to_write_is_left_for_another_mirror(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    subscriber.hear(*life("a"))
    stopping.set()
    async with engine.connect() as blocker:
        await blocker.exec_driver_sql("lock table events in access exclusive mode")
        await mirror(engine, subscriber, stopping=stopping, stop_seconds=0.1)
        await blocker.rollback()
    assert (await count(engine), subscriber.acknowledged) == (0, 0)


async def test_what_it_cannot_go_on_after_ends_it(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    subscriber, writer = FakeEventSubscriber(), Writer(engine, Results())
    monkeypatch.setattr(writer, "write", fail)
    subscriber.hear(*life("a"))
    with pytest.raises(RuntimeError):
        await mirror(engine, subscriber, stopping=asyncio.Event(), writer=writer)


async def test_a_half_that_is_given_up_leaves_nothing_running(engine: AsyncEngine) -> None:
    mirroring = asyncio.create_task(mirror(engine, FakeEventSubscriber(), stopping=asyncio.Event()))
    others = asyncio.all_tasks()
    await asyncio.sleep(0.05)
    mirroring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await mirroring
    assert asyncio.all_tasks() <= others


async def test_a_process_half_of_which_fails_ends_and_does_not_go_on_deaf(
    database_url: str,
    broker_url: str,
    result_url: str,
    redis_url: str,
    unasked_ends: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Writer, "write", fail)
    settings = Settings(database_url=database_url, broker_url=broker_url, result_url=result_url, redis_url=redis_url)
    ending = asyncio.create_task(run(settings, asyncio.Event()))
    async with redis_client(redis_url) as redis:
        await until(lambda: any(thread.name == "gateway-events" for thread in threading.enumerate()))
        while not ending.done():
            with suppress(ResponseError):
                await redis.xadd(STREAM_KEY, {"body": b"{}"}, nomkstream=True)
            await asyncio.wait({ending}, timeout=0.1)
    with pytest.raises(RuntimeError):
        ending.result()
    assert unasked_ends == [EXIT_CODE], "what is left would have ended with the process"
    await end(*(task for task in asyncio.all_tasks() if task.get_name().startswith("mirror-")))
    unasked_ends.clear()


async def fail(*_: object) -> None:
    raise RuntimeError


async def test_it_goes_on_until_it_is_told_to_stop(engine: AsyncEngine) -> None:
    subscriber, stopping = FakeEventSubscriber(), asyncio.Event()
    mirroring = asyncio.create_task(mirror(engine, subscriber, stopping=stopping))
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
        mirroring = asyncio.create_task(mirror(engine, subscriber, stopping=stopping))
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
    await mirror(engine, subscriber, stopping=stopping)
    async with engine.connect() as connection:
        assert await gaps.overlaps_gap(connection, since=now, until=now)
