import pytest

from cli.top import words
from domain.sentences import plural
from tests.unit.cli.top.test_verdict import SAID

FUNCTIONS = {"perMinute": words.per_minute} | {
    name: getattr(words, name) for name in ("about", "duration", "percent", "count")
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_written_as_on_the_page(name: str) -> None:
    for value, said in SAID[name]:
        assert FUNCTIONS[name](value) == said


def test_numbers_of_things_are_written_as_on_the_page() -> None:
    for number, is_exact, said in SAID["plural"]:
        assert plural(number, "task", is_exact=is_exact) == said
