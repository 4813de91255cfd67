import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.states import EventType
from services.record import News, record
from services.resident.endings import Endings
from store import listener as listener_module
from tests.facts import TASK_ID, told
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
async def endings(engine: AsyncEngine, database_url: str) -> AsyncIterator[Endings]:
    async with Endings(engine, database_url) as found:
        yield found


async def finish(engine: AsyncEngine, task_id: str = TASK_ID) -> None:
    async with engine.begin() as connection:
        await record(connection, News([told(EventType.SUCCEEDED, 1, task_id=task_id)]))


async def test_an_end_that_has_come_is_known_at_once(engine: AsyncEngine, endings: Endings) -> None:
    await finish(engine)
    assert await endings.wait(TASK_ID, 0.5)


async def test_who_waits_learns_of_the_end_when_it_comes(engine: AsyncEngine, endings: Endings) -> None:
    waiting = [asyncio.create_task(endings.wait(TASK_ID, PATIENCE_SECONDS)) for _ in range(3)]
    other = asyncio.create_task(endings.wait("other", 0.5))
    await asyncio.sleep(0)
    await finish(engine)
    assert await asyncio.gather(*waiting) == [True] * 3
    assert not await other


async def test_more_may_wait_than_there_are_connections(engine: AsyncEngine, endings: Endings) -> None:
    waiting = [asyncio.create_task(endings.wait(f"task-{nth}", PATIENCE_SECONDS)) for nth in range(50)]
    await asyncio.sleep(0)
    for nth in range(50):
        await finish(engine, f"task-{nth}")
    assert all(await asyncio.gather(*waiting))


async def test_who_has_waited_long_enough_is_told_so_and_forgotten(endings: Endings) -> None:
    assert not await endings.wait(TASK_ID, 0.01)
    assert not endings._waiting


async def test_an_end_is_found_even_while_nobody_listens(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module.Listener, "_hear", asyncio.Event().wait)
    async with Endings(engine, database_url, poll_seconds=0.05) as endings:
        waiting = asyncio.create_task(endings.wait(TASK_ID, PATIENCE_SECONDS))
        await asyncio.sleep(0)
        await finish(engine)
        assert await waiting


async def test_with_too_many_waiting_nobody_else_waits(engine: AsyncEngine, database_url: str) -> None:
    async with Endings(engine, database_url, max_waiting=1) as endings, asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(endings.wait("other", PATIENCE_SECONDS))
        await asyncio.sleep(0)
        assert not await endings.wait(TASK_ID, 1e6)
        await finish(engine)
        assert await endings.wait(TASK_ID, 1e6)
        waiting.cancel()
