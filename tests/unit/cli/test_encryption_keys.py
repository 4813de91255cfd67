"""The keys that the database is encrypted with: who is given them, and that nobody is shown them."""

from base64 import b64encode

import pytest

from cli.configuration import as_environment, masked, read_settings
from cli.errors import CliError
from cli.stack import children, inherited, late_children
from settings import Settings

ENCODED = b64encode(bytes(range(32))).decode()
ENTRY = f"7:{ENCODED}"
VARIABLE = "CELERIAC_ENCRYPTION_KEYS"


def test_api_mirror_and_loops_are_given_the_keys_and_workers_and_flower_are_not() -> None:
    settings = Settings(encryption_keys=(ENTRY,), workers=2, flower_port=5555)
    environment = as_environment(settings) | {"CELERIAC_DATABASE_URL": "postgresql://here/db"}
    started = [*children(settings, environment), *late_children(settings, environment)]
    given = {child.name: child.environment.get(VARIABLE) for child in started}
    assert given == {
        "mirror": ENTRY,
        "api": ENTRY,
        "loops": ENTRY,
        "worker-1": None,
        "worker-2": None,
        "flower": None,
    }


def test_the_servers_are_not_given_the_keys_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, ENTRY)
    assert VARIABLE not in inherited()


def test_a_key_is_never_shown() -> None:
    settings = Settings(encryption_keys=(ENTRY,))
    assert ENCODED not in repr(settings)
    assert ENCODED not in masked("encryption_keys", settings.encryption_keys)
    assert "x01" not in repr(settings.at_rest_keys)


def test_a_bad_key_ends_the_start_with_a_sentence_that_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{ENTRY},{ENCODED[:-4]}")
    with pytest.raises(CliError, match=r"^CELERIAC_ENCRYPTION_KEYS: entry 2 must be a number") as refused:
        read_settings()
    assert ENCODED[:8] not in str(refused.value)


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert read_settings().at_rest_keys is None
