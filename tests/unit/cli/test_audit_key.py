from pathlib import Path

import pytest

from cli.audit_key import audit_keys_of, key_file, with_audit_key
from cli.configuration import as_environment, masked
from settings import Settings

NAMED = "a-key-that-is-named"


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    assert audit_keys_of(settings) == ()
    made = with_audit_key(settings)
    assert with_audit_key(settings).audit_key == made.audit_key
    file = key_file(settings.data)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert audit_keys_of(settings) == made.audit_keys
    assert as_environment(made)["CELERIAC_AUDIT_KEY"] == made.audit_key[0]


def test_a_key_that_is_named_is_the_one(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", audit_key=(NAMED,))
    assert with_audit_key(settings) is settings
    assert not settings.data.exists()
    assert audit_keys_of(settings) == (NAMED.encode(),)


def test_the_key_is_never_shown() -> None:
    settings = Settings(audit_key=(NAMED, "another-of-before"))
    assert NAMED not in masked("audit_key", settings.audit_key)
    assert NAMED not in repr(settings)


def test_a_weak_key_and_a_scope_that_leaves_no_row_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_AUDIT_KEY", f"{NAMED},short")
    with pytest.raises(ValueError, match="key 2 has fewer than 16 characters"):
        Settings()
    monkeypatch.delenv("CELERIAC_AUDIT_KEY")
    monkeypatch.setenv("CELERIAC_REQUIRE_REASON", "operate, admin")
    assert as_environment(Settings())["CELERIAC_REQUIRE_REASON"] == "operate,admin"
    for scopes in ("submit", "read", "everything"):
        monkeypatch.setenv("CELERIAC_REQUIRE_REASON", scopes)
        with pytest.raises(ValueError, match="require_reason"):
            Settings()
    monkeypatch.delenv("CELERIAC_REQUIRE_REASON")
    monkeypatch.setenv("CELERIAC_AUDIT_DAYS", "0")
    assert Settings().audit_kept_for is None
