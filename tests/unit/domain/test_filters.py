from datetime import timedelta

import pytest

from domain.filters import SORT_COLUMNS, Sort, parse_ago
from domain.presets import BUILT_IN, built_in
from store.tables.tasks import tasks


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("-24h", timedelta(hours=24)),
        ("-90s", timedelta(seconds=90)),
        ("-15m", timedelta(minutes=15)),
        ("-9999d", timedelta(days=9999)),
        ("-0h", timedelta(0)),
    ],
)
def test_a_relative_time_is_so_long_ago(text: str, ago: timedelta) -> None:
    assert parse_ago(text) == ago


@pytest.mark.parametrize(
    "text", ["24h", "-h", "-10000d", "-1w", "-1.5h", "-24H", "-24h ", "-\u0662h", "2026-01-24", ""]
)
def test_any_other_text_is_no_relative_time(text: str) -> None:
    assert parse_ago(text) is None


def test_the_presets_of_the_reference_ship_with_celeriac_and_no_others() -> None:
    assert [preset.name for preset in BUILT_IN] == ["failed_today", "high_priority_pending", "stuck_tasks"]
    assert built_in("stuck_tasks") is BUILT_IN[2]
    assert built_in("nothing") is None


def test_the_usual_order_is_newest_first() -> None:
    assert Sort() == Sort(by="created_at", descending=True)


def test_every_sort_has_a_column() -> None:
    assert {column for column in SORT_COLUMNS.values() if column not in tasks.c} == set()
