"""Who may open Flower, before and after Flower itself has read its variables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flower.options import options

from cli.commands.flower import decide_logins
from cli.doctor import flower_access
from cli.errors import CliError
from cli.flower_login import kept_login, login_of, password_file, told_to_flower, with_login
from settings import Settings

LOGIN = "operator:a-password-of-this-test"


@pytest.fixture(autouse=True)
def _flower_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_CONF"):
        monkeypatch.delenv(name, raising=False)
    options.basic_auth, options.auth = [], ""
    yield
    options.basic_auth, options.auth = [], ""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", flower_basic_auth=())


def test_a_login_is_made_once_and_only_its_owner_can_read_it(settings: Settings) -> None:
    first = login_of(settings)
    assert first == login_of(settings) == kept_login(settings.data)
    assert first
    user, password = first.split(":")
    assert (user, len(password) >= 32) == ("celeriac", True)
    assert password_file(settings.data).stat().st_mode & 0o777 == 0o600
    assert settings.data.stat().st_mode & 0o777 == 0o700


def test_two_folders_have_two_passwords(tmp_path: Path) -> None:
    assert kept_login(tmp_path / "a") != kept_login(tmp_path / "b")


def test_a_named_login_is_taken_and_none_is_made(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert login_of(settings.model_copy(update={"flower_basic_auth": (LOGIN, "second:login")})) == LOGIN
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "own:login,other:login")
    assert login_of(settings) == "own:login"
    monkeypatch.delenv("FLOWER_BASIC_AUTH")
    monkeypatch.setenv("FLOWER_AUTH", "somebody@example.com")
    assert login_of(settings) is None
    assert not password_file(settings.data).exists()


def test_what_may_tell_flower_whom_to_let_in_is_named_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_PORT", "5555")
    assert told_to_flower() == []
    monkeypatch.setenv("FLOWER_AUTH", "somebody@example.com")
    monkeypatch.setenv("FLOWER_BASIC_AUTH", LOGIN)
    assert told_to_flower() == ["FLOWER_BASIC_AUTH", "FLOWER_AUTH"]


@pytest.mark.parametrize("named", ["flowerconfig.py", "our-flower.py"])
def test_where_a_file_of_flowers_may_say_who_is_let_in_no_password_is_made_or_told(
    settings: Settings, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if named != "flowerconfig.py":
        monkeypatch.setenv("FLOWER_CONF", named)
    assert told_to_flower() == []
    (tmp_path / named).write_text("basic_auth = ['own:login']\n")
    assert told_to_flower() == [named]
    assert login_of(settings) is None
    assert not password_file(settings.data).exists()
    assert [named in finding.detail for finding in flower_access(settings)] == [True]


def test_doctor_says_where_the_password_is_and_not_what_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(flower_access(settings)) == []
    password = kept_login(settings.data).partition(":")[2]
    (finding,) = flower_access(settings)
    assert str(password_file(settings.data)) in finding.detail
    assert password not in str(finding)
    monkeypatch.setenv("FLOWER_BASIC_AUTH", LOGIN)
    (finding,) = flower_access(settings)
    assert "FLOWER_BASIC_AUTH" in finding.detail
    assert str(password_file(settings.data)) not in finding.detail
    assert list(flower_access(settings.model_copy(update={"flower_port": 0}))) == []


def test_flower_gets_the_kept_login_where_nobody_named_one(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    decide_logins(settings)
    assert options.basic_auth == [kept_login(settings.data)]
    told = capsys.readouterr().err
    assert str(password_file(settings.data)) in told
    assert password_file(settings.data).read_text() not in told


def test_what_flower_was_told_itself_stands_unless_our_setting_says_otherwise(settings: Settings) -> None:
    options.basic_auth = ["own:login"]
    decide_logins(settings)
    assert options.basic_auth == ["own:login"]
    decide_logins(settings.model_copy(update={"flower_basic_auth": (LOGIN,)}))
    assert options.basic_auth == [LOGIN]


def test_with_oauth_no_password_is_asked_for_as_well(settings: Settings) -> None:
    options.auth = "somebody@example.com"
    decide_logins(settings)
    assert not options.basic_auth
    assert not password_file(settings.data).exists()


@pytest.mark.parametrize("login", ["", ":", "operator:", ":password", "operator", "operator:replace-me"])
def test_a_login_that_everybody_knows_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    """Flower takes an empty login for one, and lets in who sends an empty one."""
    options.basic_auth = ["good:login", login]
    with pytest.raises(CliError, match="FLOWER_BASIC_AUTH"):
        decide_logins(settings)
    monkeypatch.setenv("FLOWER_BASIC_AUTH", login)
    with pytest.raises(CliError, match="FLOWER_BASIC_AUTH"):
        login_of(settings)


def test_a_url_carries_its_login_quoted() -> None:
    assert with_login("http://127.0.0.1:1", None) == "http://127.0.0.1:1"
    assert with_login("http://127.0.0.1:1", "a:b@/c:d") == "http://a:b%40%2Fc%3Ad@127.0.0.1:1"
