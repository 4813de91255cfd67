from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.workers.status import Heartbeat
from store.queries import gaps
from store.queries.workers import nodes
from tests.facts import after


@pytest.mark.parametrize(
    ("since", "until", "touched"), [(0, 9, False), (0, 10, True), (12, 13, True), (20, 30, True), (21, 30, False)]
)
async def test_a_stretch_touches_a_gap_that_it_meets_anywhere(
    engine: AsyncEngine, since: int, until: int, *, touched: bool
) -> None:
    async with engine.begin() as connection:
        await gaps.add_gap(connection, source="broker", started_at=after(10), ended_at=after(20))
        assert await gaps.overlaps_gap(connection, since=after(since), until=after(until)) is touched


async def test_the_last_sign_of_life_is_that_of_nodes_still_out_there(engine: AsyncEngine) -> None:
    now = datetime.now(UTC)
    gone = Heartbeat("celery@gone", heard_at=now, at=now, goodbye_at=now)
    out = Heartbeat("celery@out", heard_at=now - timedelta(seconds=30), at=now)
    async with engine.begin() as connection:
        assert await gaps.get_last_heard_at(connection, streamed=False) is None
        await nodes.hear(connection, [gone])
        assert await gaps.get_last_heard_at(connection, streamed=False) is None
        await nodes.hear(connection, [out])
        assert await gaps.get_last_heard_at(connection, streamed=False) == out.heard_at
        assert await gaps.get_last_heard_at(connection, streamed=True) is None


async def test_nodes_whose_events_wait_for_us_are_asked_for_on_their_own(engine: AsyncEngine) -> None:
    now = datetime.now(UTC)
    stock = Heartbeat("celery@stock", heard_at=now - timedelta(seconds=30), at=now)
    plugin = Heartbeat("celery@plugin", heard_at=now, at=now, streamed=True)
    async with engine.begin() as connection:
        await nodes.hear(connection, [stock, plugin])
        assert await gaps.get_last_heard_at(connection, streamed=False) == stock.heard_at
        assert await gaps.get_last_heard_at(connection, streamed=True) == plugin.heard_at
