"""How the figures of a window are put together; the queries stand in for Postgres."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.trends import NOTHING, Interval, Sums, Window
from services import trends as module
from services.trends import MAX_ERRORS, MAX_NAMES, SumsAndDurations, read_trends
from tests.facts import NOON

CONNECTION = cast(AsyncConnection, None)
HOUR = timedelta(hours=1)
WINDOW = Window(since=NOON, until=NOON + 2 * HOUR)


class Store:
    """What was counted."""

    NAMES = ("task_name", "queue_name")

    def __init__(self) -> None:
        self.hours: dict[Any, Sums] = {}
        self.durations: dict[Any, dict[int, int]] = {}
        self.names: dict[str, dict[str, Sums]] = {"task_name": {}, "queue_name": {}}
        self.durations_by_name: dict[str, dict[str, dict[int, int]]] = {"task_name": {}, "queue_name": {}}
        self.asked_names: list[Mapping[str, Sequence[str]]] = []

    async def sum_by_hour(self, _: Any, window: Window, **_named: Any) -> dict[Any, Sums]:
        assert window is WINDOW
        return self.hours

    async def find_p95s(self, _: Any, window: Window, *, interval: Interval) -> dict[Any, Any]:
        return self.durations

    async def count_failures(self, _: Any, window: Window, *, limit: int, **_named: Any) -> dict[str, int]:
        assert limit == MAX_ERRORS
        return {"Timeout": 3}

    async def sum_by_name(self, _: Any, window: Window, *, name: str, limit: int, **_named: Any) -> dict[str, Sums]:
        assert limit == MAX_NAMES
        return self.names[name]

    async def count_durations_by_name(
        self, _: Any, window: Window, *, names: Mapping[str, Sequence[str]], **_named: Any
    ) -> dict[str, dict[str, dict[int, int]]]:
        self.asked_names.append(names)
        return self.durations_by_name


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
    assert trends.failures == {"Timeout": 3}


async def test_hours_of_one_day_are_one_bucket(store: Store) -> None:
    store.hours = {NOON: Sums(completed=2), NOON + HOUR: Sums(completed=3)}
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.DAILY)
    assert [counted.sums for counted in trends.series.values()] == [Sums(completed=5)]


async def test_names_keep_their_order_and_only_theirs_are_asked_for_durations(store: Store) -> None:
    store.names = {"task_name": {"b": Sums(failed=2), "a": Sums(failed=1)}, "queue_name": {"": Sums(failed=3)}}
    store.durations_by_name = {"task_name": {"a": {1: 1}}, "queue_name": {"": {2: 2}}}
    trends = await read_trends(CONNECTION, WINDOW, interval=Interval.HOURLY)
    assert list(trends.by_task.items()) == [
        ("b", SumsAndDurations(Sums(failed=2), {})),
        ("a", SumsAndDurations(Sums(failed=1), {1: 1})),
    ]
    assert trends.by_queue == {"": SumsAndDurations(Sums(failed=3), {2: 2})}
    assert store.asked_names == [{"task_name": ["b", "a"], "queue_name": [""]}]
