from domain.sentences import some_of


def test_the_first_are_named_and_the_others_counted() -> None:
    assert some_of([], most=2) == ""
    assert some_of(["a", "b"], most=2) == "a, b"
    assert some_of(["a", "b", "c", "d"], most=2) == "a, b and 2 more"
