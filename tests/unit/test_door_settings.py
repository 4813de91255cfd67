"""Settings that would open a door by a slip stop the process, and no text of theirs holds a secret."""

import pytest
from pydantic import ValidationError

from cli.configuration import as_environment, read_settings
from cli.errors import CliError
from settings import Settings
from tests.raised import raised_by

KEY = "a-key-of-this-test"


@pytest.fixture(autouse=True)
def _nothing_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEYS", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "FLOWER_BASIC_AUTH", "HOST"):
        monkeypatch.delenv(f"CELERIAC_{name}", raising=False)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CELERIAC_API_KEYS", ""),
        ("CELERIAC_API_KEYS", " , ,"),
        ("CELERIAC_API_KEYS", ":read"),
        ("CELERIAC_API_KEYS", "replace-me,replace-me-too:read"),
        ("CELERIAC_API_KEYS", "t00-sh0rt"),
        ("CELERIAC_API_KEYS", "s3cret-s3cret-s3cret:reed"),
        ("CELERIAC_API_KEYS", "s3cret-s3cret-s3cret,s3cret-s3cret-s3cret:read"),
        ("CELERIAC_API_KEYS", "s3cret-s3cret s3cret"),
        ("CELERIAC_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("CELERIAC_TRUSTED_PROXIES", "10.0.0.1,s3cret"),
        ("CELERIAC_RATE_LIMIT_PER_MINUTE", "-1"),
        ("CELERIAC_RATE_LIMIT_PER_MINUTE", "s3cret"),
        ("CELERIAC_ALLOWED_HOSTS", "https://s3cret.example"),
        ("CELERIAC_ALLOWED_HOSTS", "*"),
        ("CELERIAC_FLOWER_BASIC_AUTH", "operator:replace-me"),
        ("CELERIAC_FLOWER_BASIC_AUTH", "operator"),
        ("CELERIAC_FLOWER_BASIC_AUTH", "s3cret:"),
        ("CELERIAC_HOST", ""),
        ("CELERIAC_HOST", "127.0.0.1 s3cret"),
        ("CELERIAC_DATABASE_URL", ""),
        ("CELERIAC_BROKER_URL", ""),
        ("CELERIAC_BROKER_URL", "redis://:replace-me@127.0.0.1/0"),
        ("CELERIAC_DATABASE_URL", "postgresql://celeriac:replace-me@127.0.0.1/celeriac"),
    ],
)
def test_a_slip_is_one_sentence_with_the_variable_and_without_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CliError, match=rf"^{variable}: ") as raised:
        read_settings()
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValidationError) as raw:
        Settings()
    assert "s3cret" not in str(raw.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CELERIAC_API_KEYS", f"{KEY}, another-of-this-test:read"),
        ("CELERIAC_TRUSTED_PROXIES", ""),
        ("CELERIAC_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("CELERIAC_ALLOWED_HOSTS", ""),
        ("CELERIAC_ALLOWED_HOSTS", "api,"),
        ("CELERIAC_FLOWER_BASIC_AUTH", ""),
        ("CELERIAC_RATE_LIMIT_PER_MINUTE", "0"),
    ],
)
def test_what_opens_nothing_may_be_empty(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert raised_by(read_settings) is None


def test_any_host_may_be_named_where_keys_are_asked_for() -> None:
    assert read_settings(allowed_hosts="*", api_keys=KEY).allowed_hosts == ("*",)


def test_children_of_an_up_without_keys_are_given_no_empty_variable() -> None:
    assert "CELERIAC_API_KEYS" not in as_environment(read_settings())
    assert as_environment(read_settings(api_keys=KEY))["CELERIAC_API_KEYS"] == KEY


OIDC = {"oidc_issuer": "https://login.example.com", "oidc_audience": "api", "oidc_scopes": '{"ops": ["read"]}'}


def test_an_issuer_is_a_way_to_authenticate(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(**OIDC)
    assert settings.oidc
    assert settings.oidc.scopes == {"ops": {"read"}}
    assert settings.asks_everybody
    assert not read_settings().asks_everybody
    assert read_settings(**OIDC, allowed_hosts="*").allowed_hosts == ("*",)
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings().oidc == settings.oidc


def test_only_an_issuer_that_makes_administrators_is_another_way_in_for_them() -> None:
    assert read_settings().api_keys == ()
    assert not read_settings(**OIDC).has_full_key
    assert read_settings(**{**OIDC, "oidc_scopes": '{"ops": ["admin"]}'}).has_full_key


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"oidc_issuer": "http://login.example.com"}, "CELERIAC_OIDC_ISSUER: "),
        ({"oidc_issuer": None}, "CELERIAC_OIDC_AUDIENCE "),
        ({"oidc_scopes": "{"}, "CELERIAC_OIDC_SCOPES: "),
        ({"oidc_scopes": '{"ops": ["reed"]}'}, "CELERIAC_OIDC_SCOPES "),
        ({"oidc_client_secret": "s3cret s3cret"}, "CELERIAC_OIDC_CLIENT_SECRET: "),
        ({"public_url": "https://example.com/path"}, "CELERIAC_PUBLIC_URL: "),
    ],
)
def test_half_an_issuer_stops_the_process_by_name(changes: dict[str, str | None], named: str) -> None:
    with pytest.raises(CliError, match=rf"^{named}") as raised:
        read_settings(**(OIDC | changes))
    assert "s3cret" not in str(raised.value)
