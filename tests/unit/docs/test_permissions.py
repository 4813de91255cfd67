"""docs/permissions.md is what the routes declare."""

from tools.permissions import PAGE, render


def test_the_page_is_that_of_the_routes() -> None:
    assert PAGE.read_text() == render(), "run `make map`"
