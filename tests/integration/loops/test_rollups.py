from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.rollups import Measure
from loops.rollups import KEPT, ROUND_SECONDS, RollupsRound
from store.queries import leadership, submissions
from store.queries.for_dashboard import count_totals
from store.tables.rollups import rollup_deltas, rollup_hours, rollup_minutes
from tests.submissions import make_submission


async def submit(engine: AsyncEngine, *, hours_ago: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [make_submission(created_at=at)])


async def count(engine: AsyncEngine, table: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_a_backlog_is_folded_batch_by_batch_and_nothing_is_counted_twice(engine: AsyncEngine) -> None:
    for _ in range(5):
        await submit(engine)
    folding = RollupsRound(engine, batch_size=2)
    assert [await folding.run_once() for _ in range(4)] == [0, 0, ROUND_SECONDS, ROUND_SECONDS]
    assert await count(engine, rollup_deltas.name) == 0
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.sum(rollup_hours.c.count)))).scalar_one() == 5
        assert (await count_totals(connection))[Measure.SUBMITTED] == 5


async def test_only_one_process_folds_at_a_time(engine: AsyncEngine) -> None:
    await submit(engine)
    async with engine.begin() as other:
        assert await leadership.take(other, leadership.ROLLUPS)
        assert await RollupsRound(engine).run_once() == ROUND_SECONDS
        assert await count(engine, rollup_deltas.name) == 1
    await RollupsRound(engine).run_once()
    assert await count(engine, rollup_deltas.name) == 0


async def test_sums_that_no_window_reaches_go_and_the_totals_stay(engine: AsyncEngine) -> None:
    await submit(engine, hours_ago=KEPT / timedelta(hours=1) + 1)
    await submit(engine, hours_ago=2160)
    await RollupsRound(engine).run_once()
    assert (await count(engine, rollup_minutes.name), await count(engine, rollup_hours.name)) == (1, 1)
    async with engine.connect() as connection:
        assert (await count_totals(connection))[Measure.SUBMITTED] == 2
