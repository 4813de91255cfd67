import pytest

from cli.options import command_at


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("http://127.0.0.1:8000", "`celeriac top`"),
        ("http://127.0.0.1:8000/", "`celeriac top`"),
        ("http://127.0.0.1:9000", "`celeriac top --url http://127.0.0.1:9000`"),
        ("https://ann:secret@tasks.example.com/a b", "`celeriac top --url 'https://ann:***@tasks.example.com/a b'`"),
    ],
)
def test_a_command_says_where_its_api_is_where_that_is_not_the_usual_place(url: str, command: str) -> None:
    assert command_at(url, "top") == command


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    assert command_at("http://127.0.0.1:8000", "workers", "resume", "a b@h") == "`celeriac workers resume 'a b@h'`"
