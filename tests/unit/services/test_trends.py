"""How the figures of a window are put together; the queries stand in for Postgres."""

from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.trends import NOTHING, Interval, Sums, SumsAndDurations, Window
from services import trends as module
from services.trends import MAX_NAMES, read_trends
from tests.facts import NOON

CONNECTION = cast(AsyncConnection, None)
HOUR = timedelta(hours=1)
WINDOW = Window(since=NOON, until=NOON + 2 * HOUR)


class Store:
    """What was counted."""

    def __init__(self) -> None:
        self.hours: dict[Any, Sums] = {}
        self.durations: dict[Any, dict[int, int]] = {}
        self.kinds: dict[str, dict[str, SumsAndDurations]] = {"task_name": {}, "queue_name": {}, "error": {}}

    async def sum_by_hour(self, _: Any, window: Window, **_named: Any) -> dict[Any, Sums]:
        assert window is WINDOW
        return self.hours

    async def find_p95s(self, _: Any, window: Window, *, interval: Interval) -> dict[Any, Any]:
        return self.durations

    async def sum_by_kind(
        self, _: Any, window: Window, *, limit: int, **_named: Any
    ) -> dict[str, dict[str, SumsAndDurations]]:
        assert limit == MAX_NAMES
        return self.kinds


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(module, "trends", store)
    monkeypatch.setattr(module, "percentiles", store)
    return store


async def test_a_window_in_which_nothing_happened_has_all_its_buckets(store: Store) -> None:
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.HOURLY)
    assert list(trends.series) == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert all(counted == SumsAndDurations(NOTHING, {}) for counted in trends.series.values())
    assert (trends.total, trends.by_task, trends.by_queue, trends.peak_loads) == (NOTHING, {}, {}, [])


async def test_each_bucket_has_its_own_sums_and_durations_and_the_total_has_all(store: Store) -> None:
    store.hours = {NOON: Sums(submitted=2), NOON + HOUR: Sums(submitted=3, failed=1)}
    store.durations = {NOON + HOUR: {7: 1}}
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.HOURLY)
    assert trends.series[NOON] == SumsAndDurations(Sums(submitted=2), {})
    assert trends.series[NOON + HOUR] == SumsAndDurations(Sums(submitted=3, failed=1), {7: 1})
    assert trends.total == Sums(submitted=5, failed=1)
    assert trends.peak_loads == ["13:00", "12:00"]


async def test_hours_of_one_day_are_one_bucket(store: Store) -> None:
    store.hours = {NOON: Sums(completed=2), NOON + HOUR: Sums(completed=3)}
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.DAILY)
    assert [counted.sums for counted in trends.series.values()] == [Sums(completed=5)]


async def test_names_keep_their_order_and_errors_are_counted_by_what_has_failed(store: Store) -> None:
    named = {"b": SumsAndDurations(Sums(failed=2), {}), "a": SumsAndDurations(Sums(failed=1), {1: 1})}
    queues = {"": SumsAndDurations(Sums(failed=3), {2: 2})}
    failed = {"Timeout": SumsAndDurations(Sums(failed=3), {})}
    store.kinds = {"task_name": named, "queue_name": queues, "error": failed}
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.HOURLY)
    assert list(trends.by_task.items()) == list(named.items())
    assert (trends.by_queue, trends.failures) == (queues, {"Timeout": 3})
