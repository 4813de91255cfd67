from domain.sentences import plural, some_of


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
