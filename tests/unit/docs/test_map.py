"""docs/map.md is what `make map` makes of the code."""

from tools.code_map import PAGE, noun_of, render


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text() == render(), "run `make map`"


def test_a_name_belongs_to_the_first_noun_that_has_a_word_of_it() -> None:
    assert noun_of("store/queries/workflow_results") == "Workflows"
    assert noun_of("celeriac:cancelled:<task_id>") == "Cancels"
    assert noun_of("domain/whatever_comes") == "The rest"
