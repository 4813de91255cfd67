"""`celeriac notifications`: names become ids, and the URL of a channel comes from stdin."""

from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.notifications import command
from cli.errors import CliError
from tests.unit.cli.apis import Api, answering

MAIL = {"channel_id": "m-1", "name": "mail", "url": "mailto://example.com/***", "enabled": True}
ROUTE = {"route_id": "r-1", "name": "all", "channel_ids": ["m-1", "gone"]}
LISTED: dict[str, Any] = {"data": [MAIL]}


def run(api: Api, *arguments: str, stdin: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(command, list(arguments), input=stdin)
    if isinstance(result.exception, CliError):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_url_of_a_new_channel_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (201, MAIL)) as api:
        code, shown = run(api, "add", "mail", stdin="mailto://u:p@example.com\n")
    assert (code, api.bodies) == (0, [{"name": "mail", "url": "mailto://u:p@example.com"}])
    assert "mailto://example.com/***" in shown


def test_a_test_that_is_not_delivered_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, LISTED), (200, {"delivered": False, "message": "Refused."})) as api:
        code, shown = run(api, "test", "mail")
    assert (code, api.lines[1]) == (1, "POST /api/v1/notifications/channels/m-1/test")
    assert "Refused." in shown


def test_a_route_leads_to_channels_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, LISTED), (201, ROUTE)) as api:
        assert run(api, "route", "all", "--to", "mail", "--severity", "CRITICAL", "--repeat", "0")[0] == 0
    (body,) = api.bodies
    assert (body["channel_ids"], body["severities"], body["repeat_seconds"]) == (["m-1"], ["CRITICAL"], None)


def test_what_there_is_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, LISTED)) as api, pytest.raises(CliError, match=r"^There is no channel chat\.$"):
        run(api, "remove", "chat")


def test_channels_and_routes_are_removed_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, LISTED), (204, "")) as api:
        assert run(api, "remove", "mail") == (0, "")
    assert api.lines[1] == "DELETE /api/v1/notifications/channels/m-1"
    with answering(monkeypatch, (200, {"data": [ROUTE]}), (204, "")) as api:
        assert run(api, "unroute", "all") == (0, "")
    assert api.lines[1] == "DELETE /api/v1/notifications/routes/r-1"


def test_lists_are_tables_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = MAIL | dict.fromkeys(("failing_since", "last_outcome", "last_delivered_at"))
    with answering(monkeypatch, (200, {"data": [channel]})) as api:
        assert "mailto" in run(api, "channels")[1]
        assert '"channel_id":"m-1"' in run(api, "channels", "--json")[1].replace(" ", "")
    conditions: dict[str, Any] = dict.fromkeys(("severities", "alert_types", "subjects", "group_seconds"), "x")
    route = ROUTE | conditions | {"repeat_seconds": None, "enabled": True}
    with answering(monkeypatch, (200, {"data": [route]}), (200, LISTED)) as api:
        assert "gone" in run(api, "routes")[1]
    message = {"created_at": "now", "channel_id": "m-1", "status": "FAILED", "attempts": 2, "title": "T"}
    with answering(monkeypatch, (200, {"data": [message | {"last_outcome": "tls"}]}), (200, LISTED)) as api:
        assert "mail" in run(api, "messages")[1]
