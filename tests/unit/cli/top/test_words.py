import pytest

from cli.top import words
from tests.unit.cli.top.test_verdict import SAID

FUNCTIONS = {"perMinute": words.per_minute} | {
    name: getattr(words, name) for name in ("about", "duration", "percent", "count")
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_written_as_on_the_page(name: str) -> None:
    for value, said in SAID[name]:
        assert FUNCTIONS[name](value) == said


def test_one_is_one_and_more_are_many() -> None:
    assert [words.plural(number, "task") for number in (0, 1, 1200)] == ["0 tasks", "1 task", "1,200 tasks"]
