"""docs/search.md names every parameter of a search, every field to sort by and every preset that ships."""

import re
from pathlib import Path

from api.schemas.filters import TaskQuery
from domain.filters import SORT_COLUMNS
from domain.presets import BUILT_IN

PAGE = (Path(__file__).parents[3] / "docs" / "search.md").read_text()
NAMED = set(re.findall(r"`(\w+)`", PAGE))


def test_every_parameter_is_told() -> None:
    assert TaskQuery.model_fields.keys() - NAMED == set()


def test_every_order_is_told() -> None:
    assert SORT_COLUMNS.keys() - NAMED == set()


def test_every_preset_is_told() -> None:
    assert {preset.name for preset in BUILT_IN} - NAMED == set()
