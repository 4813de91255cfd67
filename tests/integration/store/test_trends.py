"""Windows of every length over three weeks: whatever of them is read by the week, the day and the hour."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.rollups import CountKey, Delta, Measure
from domain.trends import Interval, Window
from store.queries import percentiles, rollups, trends

DAYS = 22
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)


def delta_of(days_ago: int, *, count: int, bucket: int) -> Delta:
    at = NOW - timedelta(days=days_ago)
    return Delta(CountKey(at, "orders.charge", "payments", Measure.COMPLETED, "", "", bucket), count, count)


async def fold(engine: AsyncEngine, *deltas: Delta) -> None:
    async with engine.begin() as connection:
        await rollups.add_deltas(connection, deltas)
        await rollups.fold_deltas(connection, batch_size=1_000)


async def test_windows_of_every_length_count_each_day_once(engine: AsyncEngine) -> None:
    # A day is told from all others by its count and its bucket; of one, something is taken back.
    days = range(DAYS)
    await fold(engine, *(delta_of(day, count=2**day, bucket=day) for day in days), delta_of(3, count=7, bucket=3))
    await fold(engine, delta_of(3, count=-7, bucket=3))
    async with engine.connect() as connection:
        for length in range(1, DAYS):
            window = Window.of_last(timedelta(days=length), now=NOW)
            expected = {day: 2**day for day in range(length + 1)}
            found = await trends.sum_by_kind(connection, window, limit=5)
            for counted in (found["task_name"]["orders.charge"], found["queue_name"]["payments"]):
                assert (counted.sums.completed, counted.durations) == (sum(expected.values()), expected)
            asked = await trends.count_durations_by_task(connection, window, names=["orders.charge", "none"])
            assert asked == {"orders.charge": expected}
            sums = await trends.sum_by_name(connection, window, name="queue_name", limit=5)
            assert sums == {"payments": found["queue_name"]["payments"].sums}
            assert await trends.count_failures(connection, window, limit=5) == {}
            assert found["error"] == {}


async def test_percentiles_are_those_of_what_is_folded_and_what_is_not(engine: AsyncEngine) -> None:
    window, hour = Window.of_last(timedelta(days=2), now=NOW), NOW.replace(minute=0)
    yesterday, midnight = hour - timedelta(days=1), NOW.replace(hour=0, minute=0)
    await fold(
        engine, delta_of(1, count=94, bucket=20), delta_of(1, count=5, bucket=30), delta_of(1, count=1, bucket=9)
    )
    async with engine.connect() as connection:
        found = await percentiles.find_p95s(connection, window, interval=Interval.HOURLY)
        assert found == {yesterday: {20: 1}}
    async with engine.begin() as connection:
        await rollups.add_deltas(connection, [delta_of(1, count=1, bucket=40), delta_of(1, count=-1, bucket=9)])
        for interval, start in ((Interval.HOURLY, yesterday), (Interval.DAILY, midnight - timedelta(days=1))):
            found = await percentiles.find_p95s(connection, window, interval=interval)
            assert found[start] == {20: 94, 30: 5, 40: 1, 9: 0}
        await rollups.fold_deltas(connection, batch_size=10)
        found = await percentiles.find_p95s(connection, window, interval=Interval.HOURLY)
        assert found == {yesterday: {30: 1}}
        found = await percentiles.find_p95s(connection, window, interval=Interval.DAILY)
        assert {start: each for start, each in found.items() if each} == {midnight - timedelta(days=1): {30: 1}}
