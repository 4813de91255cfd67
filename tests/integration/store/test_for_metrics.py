import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from store.queries import gaps
from store.queries.for_metrics import StoreFigures, count_open_alerts, get_figures
from tests.stored import add_undispatched, ago


async def read(engine: AsyncEngine) -> StoreFigures:
    async with engine.connect() as connection:
        return await get_figures(connection)


async def test_an_empty_database_has_nothing_to_tell(engine: AsyncEngine) -> None:
    assert await read(engine) == StoreFigures(
        due=0, scheduled=0, refused=0, parked=0, oldest_due_seconds=0.0, gaps=0, heartbeat_seconds=None
    )
    async with engine.connect() as connection:
        assert await count_open_alerts(connection) == {}


async def test_due_and_scheduled_tasks_are_told_apart_and_gaps_counted(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_undispatched(connection, queue_name="etl", due_at=ago(40))
        await add_undispatched(connection, queue_name="etl", due_at=ago(5))
        await add_undispatched(connection, queue_name="etl", due_at=ago(-3600))
        await gaps.add_gap(connection, source="broker", started_at=ago(9), ended_at=ago(8))
    found = await read(engine)
    assert (found.due, found.scheduled, found.gaps) == (2, 1, 1)
    assert found.oldest_due_seconds == pytest.approx(40, abs=3)


async def test_a_task_that_the_broker_does_not_take_waits_since_it_was_first_offered(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_undispatched(connection, queue_name="etl", due_at=ago(-1), postponed_at=ago(50))
    assert (await read(engine)).oldest_due_seconds == pytest.approx(50, abs=3)


async def test_refused_and_parked_tasks_are_told_apart_and_parked_ones_make_nothing_old(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        parked = {"refusals": 5, "refusal": "no", "parked_at": ago(50), "postponed_at": ago(80), "due_at": ago(-100)}
        await add_undispatched(connection, queue_name="cart", **parked)
        await add_undispatched(connection, queue_name="cart", refusals=1, refusal="no", due_at=ago(2))
        await add_undispatched(connection, queue_name="celery", due_at=ago(3))
    found = await read(engine)
    assert (found.due, found.scheduled, found.refused, found.parked) == (1, 0, 1, 1)
    assert found.oldest_due_seconds == pytest.approx(3, abs=3)
