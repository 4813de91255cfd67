import json
from pathlib import Path

import pytest

from domain import sentences
from domain.sentences import plural, some_of, span

SAID = json.loads((Path(__file__).parents[3] / "dashboard" / "tests" / "said.json").read_text())
FUNCTIONS = {"perMinute": sentences.per_minute} | {
    name: getattr(sentences, name) for name in ("about", "duration", "percent", "count")
}


def test_the_first_are_named_and_the_others_counted() -> None:
    assert some_of([], most=2) == ""
    assert some_of(["a", "b"], most=2) == "a, b"
    assert some_of(["a", "b", "c", "d"], most=2) == "a, b and 2 more"


def test_one_is_one_and_more_are_many() -> None:
    assert [plural(number, "task") for number in (0, 1, 1200)] == ["0 tasks", "1 task", "1,200 tasks"]
    assert [plural(number, "waits", many="wait") for number in (1, 2)] == ["1 waits", "2 wait"]


def test_what_is_not_counted_to_the_end_is_many() -> None:
    assert plural(10_000, "row", is_exact=False) == "10,000+ rows"
    assert plural(1, "row is", many="rows are", is_exact=False) == "1+ rows are"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_written_as_on_the_page(name: str) -> None:
    for value, said in SAID[name]:
        assert FUNCTIONS[name](value) == said


def test_numbers_of_things_are_written_as_on_the_page() -> None:
    for number, is_exact, said in SAID["plural"]:
        assert plural(number, "task", is_exact=is_exact) == said


def test_a_time_that_was_set_is_said_as_people_do() -> None:
    said = {0.5: "0.5 s", 15: "15 s", 60: "1 minute", 90: "90 s", 300: "5 minutes", 3600: "1 hour", 172_800: "2 days"}
    assert {seconds: span(seconds) for seconds in said} == said
