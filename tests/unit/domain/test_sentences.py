import pytest

from domain.sentences import lasting, plural, some_of


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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (125, "2 m"),
        (3599, "1 h 00 m"),
        (86_241, "23 h 57 m"),
        (86_399, "1 d 0 h"),
        (3 * 86_400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_how_long_something_takes_is_said_in_two_units(seconds: float, said: str) -> None:
    assert lasting(seconds) == said
