"""How the API is served: where, for whom, and behind which protocol."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from cli.commands import api
from cli.errors import CliError, OpenAccess
from tests.unit.cli.commands.commands import run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """With what uvicorn was told to run."""
    runs: list[dict[str, Any]] = []
    for name, url in (("DATABASE", "postgresql://h/db"), ("BROKER", "redis://h/0")):
        monkeypatch.setenv(f"CELERIAC_{name}_URL", url)
    for name in ("HOST", "PORT", "API_KEYS", "ALLOW_OPEN"):
        monkeypatch.delenv(f"CELERIAC_{name}", raising=False)
    monkeypatch.setattr(api, "configure_logs", lambda _: None)
    monkeypatch.setattr(api.uvicorn, "run", lambda app, **options: runs.append({"app": app, **options}))  # type: ignore[attr-defined]
    return runs


def test_it_is_served_where_the_settings_say_behind_the_protocol_that_has_bounds(
    served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_PORT", "8123")
    run("api")
    (told,) = served
    assert (told["host"], told["port"], told["http"]) == ("127.0.0.1", 8123, "api.protocol:BoundedProtocol")
    assert told["timeout_graceful_shutdown"] < 10, "`up` kills after ten seconds"
    off = ("access_log", "proxy_headers", "server_header")
    assert [told[name] for name in off] == [False] * 3


@pytest.mark.parametrize("missing", ["CELERIAC_DATABASE_URL", "CELERIAC_BROKER_URL"])
def test_without_its_servers_it_does_not_begin(
    served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(CliError, match=missing):
        run("api")
    assert served == []


def test_an_open_door_is_refused_and_one_that_is_meant_is_a_warning_in_the_log(
    served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_HOST", "0.0.0.0")
    with pytest.raises(OpenAccess):
        run("api")
    assert served == []
    monkeypatch.setenv("CELERIAC_ALLOW_OPEN", "yes")
    with capture_logs() as told:
        run("api")
    assert [(line["event"], line["host"], line["log_level"]) for line in told] == [
        ("access_open", "0.0.0.0", "warning")
    ]
    assert len(served) == 1


def test_with_keys_nothing_is_warned_of(served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_HOST", "0.0.0.0")
    monkeypatch.setenv("CELERIAC_API_KEYS", "a-key-of-this-test")
    with capture_logs() as told:
        run("api")
    assert (told, len(served)) == ([], 1)
