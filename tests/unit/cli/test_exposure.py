import pytest

from cli.errors import CliError
from cli.exposure import is_loopback, refuse_open
from settings import Settings
from tests.raised import raised_by

KEY = "a-key-of-this-test"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "127.1", "::ffff:127.0.0.1"])
def test_loopback_is_told_by_the_address_that_is_meant(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "0", "192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "fe80::1", "no-such-host.invalid"]
)
def test_all_else_is_open_to_others(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])
def test_an_open_address_without_keys_is_refused_with_what_why_and_the_ways_out(host: str) -> None:
    with pytest.raises(CliError) as raised:
        refuse_open(Settings(host=host))
    what, why, ways_out = str(raised.value).splitlines()
    assert host in what
    assert "run tasks" in why
    assert "CELERIAC_API_KEYS" in ways_out
    assert "127.0.0.1" in ways_out


def test_keys_or_loopback_are_enough() -> None:
    enough = (
        Settings(host="0.0.0.0", api_keys=(KEY,)),
        Settings(host="0.0.0.0", api_keys=(f"{KEY}:read",)),
        Settings(),
    )
    assert [raised_by(refuse_open, settings) for settings in enough] == [None] * 3
