from dataclasses import replace

import pytest

from cli.doctor import access
from cli.errors import OpenAccess
from cli.exposure import is_loopback, is_open, refuse_open
from cli.stack import addresses_of
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
    with pytest.raises(OpenAccess) as raised:
        refuse_open(Settings(host=host))
    what, why, ways_out = str(raised.value).splitlines()
    assert host in what
    assert "run tasks" in why
    assert "CELERIAC_API_KEYS" in ways_out
    assert "CELERIAC_ALLOW_OPEN=yes" in ways_out
    assert raised.value.exit_code == 2


def test_keys_or_loopback_or_the_word_of_the_operator_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_ALLOW_OPEN", "yes")
    said = Settings(host="0.0.0.0")
    monkeypatch.delenv("CELERIAC_ALLOW_OPEN")
    enough = (
        said,
        Settings(host="0.0.0.0", api_keys=(KEY,)),
        Settings(host="0.0.0.0", api_keys=(f"{KEY}:read",)),
        Settings(host="0.0.0.0", oidc_issuer="https://login.test", oidc_audience="api", oidc_scopes={"ops": ["read"]}),
        Settings(),
    )
    assert [raised_by(refuse_open, settings) for settings in enough] == [None] * 5
    assert [is_open(settings) for settings in enough] == [True, False, False, False, False]


@pytest.mark.parametrize("word", ["no", "false", "0"])
def test_no_is_a_no(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_ALLOW_OPEN", word)
    assert isinstance(raised_by(refuse_open, Settings(host="0.0.0.0")), OpenAccess)


def test_what_is_open_is_a_warning_of_doctor_where_it_is_meant_and_a_failure_elsewhere() -> None:
    for settings, verdict in (
        (Settings(host="0.0.0.0"), "fail"),
        (Settings(host="0.0.0.0", allow_open=True), "warn"),
        (Settings(host="0.0.0.0", api_keys=(KEY,), allow_open=True), "ok"),
    ):
        (finding,) = access(settings)
        assert (finding.verdict, "0.0.0.0" in finding.detail) == (verdict, verdict != "ok")


def test_of_a_running_up_doctor_says_what_that_was_told_by_its_options() -> None:
    local, closed = Settings(), Settings(host="0.0.0.0", api_keys=(KEY,))
    for told, verdict in ((Settings(host="0.0.0.0", allow_open=True), "warn"), (closed, "ok"), (local, "ok")):
        running = addresses_of(told, postgres_url="postgresql://here/db", valkey_url="redis://here:1")
        for own in (local, closed):
            (finding,) = access(own, running)
            assert finding.verdict == verdict
    older = replace(running, host=None)
    assert [finding.verdict for finding in access(Settings(host="0.0.0.0"), older)] == ["fail"]
